"""Api and METHODS: a Bot API method is a function of what it works with and of its parsed parameters."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.sandbox.errors import bad_request, forbidden
from bot.sandbox.limits import FloodControl
from bot.sandbox.objects import Chat, Message
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
    """What the methods work with, and what Telegram checks before any of them."""

    world: World
    polling: Polling
    flood: FloodControl

    def chat(self, name: int | str | None) -> Chat:
        """A chat that the bot knows and may read. Raises ApiError in Telegram's words."""
        if name is None or name == "":
            raise bad_request("chat_id is empty")
        chat = self._find(name)
        if chat is None:
            raise bad_request("chat not found")
        status = chat.members.get(self.world.bot.id, "left")
        if chat.type != "private" and status == "kicked":
            raise forbidden(f"bot was kicked from the {chat.type} chat")
        if chat.type != "private" and status == "left":
            raise forbidden(f"bot is not a member of the {chat.type} chat")
        return chat

    def _find(self, name: int | str) -> Chat | None:
        chats = self.world.state.chats
        if isinstance(name, int):
            return chats.get(name)
        named = (chat for chat in chats.values() if chat.username and f"@{chat.username}" == name)
        return next(named, None)

    def writable(self, name: int | str | None) -> Chat:
        """A chat that the bot may write to now. Spends one call of its budget; raises Flooded beyond."""
        chat = self.chat(name)
        if chat.migrated_to is not None:
            raise bad_request(
                "group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat.migrated_to
            )
        self.flood.spend(chat.id)
        if chat.members.get(self.world.bot.id) == "kicked":
            raise forbidden("bot was blocked by the user")
        return chat

    def message(self, chat: Chat, message_id: int, purpose: str) -> Message:
        """A message of the chat; `purpose` is Telegram's name for what is wanted of it."""
        if message_id not in chat.messages:
            raise bad_request(f"{purpose} not found")
        return chat.messages[message_id]

    def is_admin(self, chat: Chat) -> bool:
        return chat.members.get(self.world.bot.id) in ("administrator", "creator")
