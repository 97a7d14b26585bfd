"""Which commands Telegram's apps offer to whom, and in which language."""

from bot.sandbox.menu import menu


async def test_everybody_is_offered_their_commands_in_their_language(bot, telegram):
    world = telegram.world

    def offered(chat, person):
        return {
            each.command: each.description for each in menu(world.state, world.chat(chat), world.user(person))
        }

    async with bot():
        await telegram.wait_for(lambda _: len(world.state.commands) == 8)
        admin, user = offered("Ann", "Ann"), offered("李雷", "李雷")
        assert {"help", "stats"} <= admin.keys()
        assert "help" in user
        assert "stats" not in user
        assert admin["help"] == "what I can do"
        assert user["help"] != "what I can do"
        # Ann owns the group, and there too she is not offered what only her private chat may show.
        assert "stats" not in offered("Team", "Ann")
        assert {"new", "sentiment"} <= offered("Team", "李雷").keys() & offered("Team", "Ann").keys()
