"""The bot's menu."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from telegram import Bot, BotCommandScopeAllGroupChats, BotCommandScopeChat

from bot.sandbox.menu import menu
from bot.sandbox.server import Running

Refused = Callable[..., AbstractContextManager[None]]


async def test_a_menu_is_kept_per_scope_and_language(bot: Bot) -> None:
    await bot.set_my_commands([("help", "Help")])
    await bot.set_my_commands([("help", "帮助")], language_code="zh")
    await bot.set_my_commands([("ask", "Ask")], scope=BotCommandScopeAllGroupChats())
    assert [command.description for command in await bot.get_my_commands(language_code="zh")] == ["帮助"]
    await bot.delete_my_commands(language_code="zh")
    assert await bot.get_my_commands(language_code="zh") == ()
    assert [command.description for command in await bot.get_my_commands()] == ["Help"]


async def test_people_see_the_most_special_menu_in_their_language(bot: Bot, running: Running) -> None:
    world = running.world
    await bot.set_my_commands([("help", "Help")])
    await bot.set_my_commands([("help", "帮助")], language_code="zh")
    await bot.set_my_commands([("admin", "Admin")], scope=BotCommandScopeChat(1001))

    def seen(person: str, chat: str) -> list[str]:
        return [command.description for command in menu(world.state, world.chat(chat), world.user(person))]

    assert seen("Ann", "Ann") == ["Admin"]
    assert seen("Ann", "Team") == ["Help"]
    assert seen("李雷", "李雷") == ["帮助"]


@pytest.mark.parametrize(
    ("commands", "refusal"),
    [
        ([("Help", "Help")], "Bad Request: BOT_COMMAND_INVALID"),
        ([("help", "  ")], "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID"),
        ([(f"c{number}", "x") for number in range(101)], "Bad Request: BOT_COMMANDS_TOO_MUCH"),
    ],
)
async def test_menus_that_telegram_refuses(
    bot: Bot, commands: list[tuple[str, str]], refusal: str, refused: Refused
) -> None:
    with refused(refusal):
        await bot.set_my_commands(commands)


async def test_the_name(bot: Bot) -> None:
    assert (await bot.get_my_name()).name == "Tandem"
