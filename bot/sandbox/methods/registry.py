"""Api and METHODS: a Bot API method is a function of what it works with and of its parsed parameters."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.sandbox.errors import bad_request, forbidden
from bot.sandbox.feed import Feed
from bot.sandbox.objects import Chat
from bot.sandbox.params import P, Raw, parse
from bot.sandbox.polling import Polling
from bot.sandbox.world import World

Method = Callable[["Api", Raw], object | Awaitable[object]]

METHODS: dict[str, Method] = {}


def method(
    name: str, params: type[P]
) -> Callable[[Callable[["Api", P], object]], Callable[["Api", P], object]]:
    """Register a function as Bot API method `name`."""

    def register(run: Callable[["Api", P], object]) -> Callable[["Api", P], object]:
        METHODS[name.lower()] = lambda api, raw: run(api, parse(params, raw))
        return run

    return register


@dataclass(frozen=True, slots=True)
class Api:
    """What the methods work with: the world, its events, and the poll that waits for updates."""

    world: World
    feed: Feed
    polling: Polling
    spend: Callable[[Chat], None]

    def chat(self, name: int | str | None) -> Chat:
        """A chat that the bot knows. Raises ApiError in Telegram's words."""
        if name is None or name == "":
            raise bad_request("chat_id is empty")
        chat = self._find(name)
        if chat is None:
            raise bad_request("chat not found")
        if chat.migrated_to is not None:
            raise bad_request(
                "group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.migrated_to
            )
        status = chat.members.get(self.world.bot.id, "member" if chat.type == "private" else "left")
        if status in ("left", "kicked") and chat.type != "private":
            verb = "kicked from" if status == "kicked" else "is not a member of"
            raise forbidden(f"bot {'was ' if status == 'kicked' else ''}{verb} the {chat.type} chat")
        return chat

    def _find(self, name: int | str) -> Chat | None:
        chats = self.world.state.chats
        if isinstance(name, int):
            return chats.get(name)
        named = (chat for chat in chats.values() if chat.username and f"@{chat.username}" == name)
        return next(named, None)

    def writable(self, name: int | str | None) -> Chat:
        """A chat that the bot may write to now: allowed, and within the budget, of which this spends."""
        chat = self.chat(name)
        if chat.type == "private" and chat.members.get(self.world.bot.id) == "kicked":
            raise forbidden("bot was blocked by the user")
        self.spend(chat)
        return chat
