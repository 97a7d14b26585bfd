"""The things that the sandbox's world is made of: people, chats, messages, waiting updates.

Shapes only: no rules, no HTTP. Their JSON is the state file and what the page gets; the Bot API's JSON
is made in `wire`.
"""

import json
import secrets
from collections.abc import Iterable
from typing import Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

JsonObject = dict[str, object]

ChatType = Literal["private", "group", "supergroup", "channel"]
MemberStatus = Literal["creator", "administrator", "member", "left", "kicked"]
Privacy = Literal["strict", "mentions", "off"]


class Thing(BaseModel):
    """One thing of the world. Fields that a newer sandbox saved are left out, not refused."""

    model_config = ConfigDict(extra="ignore", validate_assignment=False)


class User(Thing):
    """A person or a bot."""

    id: int
    first_name: str
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = None
    is_bot: bool = False


class Entity(Thing):
    """A formatted stretch of a text; `offset` and `length` count UTF-16 units."""

    type: str
    offset: int
    length: int
    url: str | None = None
    user: User | None = None
    language: str | None = None
    custom_emoji_id: str | None = None

    @property
    def end(self) -> int:
        return self.offset + self.length


class Button(Thing):
    """A button below a message. Exactly one of the optional fields says what it does."""

    text: str
    callback_data: str | None = None
    url: str | None = None
    switch_inline_query: str | None = None
    switch_inline_query_current_chat: str | None = None
    copy_text: JsonObject | None = None


Keyboard = list[list[Button]]


class File(Thing):
    """Bytes that somebody sent."""

    id: str
    name: str | None = None
    mime_type: str | None = None
    content: Base64Bytes = b""


class Attachment(Thing):
    """What a message brings besides words. `file` is a File's id; the other fields fit the kind."""

    kind: Literal["photo", "document", "voice", "sticker", "poll"]
    file: str | None = None
    name: str | None = None
    mime_type: str | None = None
    size: int | None = None
    width: int | None = None
    height: int | None = None
    duration: int | None = None
    emoji: str | None = None
    question: str | None = None
    options: list[str] = Field(default_factory=list)


class Message(Thing):
    """A message of a chat. Referred-to things are ids, resolved when the message is shown.

    `entities` format the text, or the caption where there is an attachment.
    """

    message_id: int
    chat_id: int
    date: int
    from_id: int | None = None
    sender_chat_id: int | None = None
    text: str | None = None
    caption: str | None = None
    entities: list[Entity] = Field(default_factory=list)
    attachment: Attachment | None = None
    media_group: str | None = None
    reply_to: int | None = None
    thread_id: int | None = None
    edit_date: int | None = None
    keyboard: Keyboard = Field(default_factory=list)
    link_preview: JsonObject | None = None
    reactions: dict[int, list[str]] = Field(default_factory=dict)
    silent: bool = False
    protected: bool = False
    forward_origin: JsonObject | None = None
    via_bot: bool = False
    service: JsonObject = Field(default_factory=dict)

    @property
    def words(self) -> str:
        """What it says."""
        return self.text or self.caption or ""


class Chat(Thing):
    """A chat with its members and messages; in a private chat `id` is the person's id."""

    id: int
    type: ChatType
    title: str | None = None
    username: str | None = None
    is_forum: bool = False
    members: dict[int, MemberStatus] = Field(default_factory=dict)
    topics: dict[int, str] = Field(default_factory=dict)
    messages: dict[int, Message] = Field(default_factory=dict)
    next_message_id: int = 1
    allowed_reactions: list[str] | None = None
    linked_chat_id: int | None = None
    migrated_to: int | None = None
    instance: str = Field(default_factory=lambda: str(secrets.randbelow(2**63)))

    @property
    def is_group(self) -> bool:
        return self.type in ("group", "supergroup")


class Command(Thing):
    """An entry of the bot's menu."""

    command: str
    description: str


class Scope(Thing):
    """For whom a list of commands is meant (BotCommandScope)."""

    type: str = "default"
    chat_id: int | None = None
    user_id: int | None = None


class CommandList(Thing):
    scope: Scope
    language_code: str = ""
    commands: list[Command]


# Telegram's own accounts, which stand in `from` where the true sender is a chat.
ANONYMOUS_ADMIN = User(id=1087968824, first_name="Group", username="GroupAnonymousBot", is_bot=True)
CHANNEL_PERSONA = User(id=136817688, first_name="Channel", username="Channel_Bot", is_bot=True)
LINKED_CHANNEL = User(id=777000, first_name="Telegram")
SERVICE_USERS = {user.id: user for user in (ANONYMOUS_ADMIN, CHANNEL_PERSONA, LINKED_CHANNEL)}


class QueuedUpdate(Thing):
    """An update that the bot has not confirmed yet, as it will be delivered."""

    update_id: int
    expires: float
    body: JsonObject


class CallbackQuery(Thing):
    """A pressed button that the bot has not answered yet."""

    id: str
    user_id: int
    chat_id: int
    message_id: int
    date: float


class InlineResult(Thing):
    """A card that the bot offers, and the message that it stands for."""

    id: str
    title: str
    description: str = ""
    text: str
    entities: list[Entity] = Field(default_factory=list)


class InlineQuery(Thing):
    """What somebody typed behind the bot's name; `results` is None until the bot has answered.

    Until `cached_until` the same words get the same answer, from everybody or, if personal, from this user.
    """

    id: str
    user_id: int
    text: str
    date: float
    results: list[InlineResult] | None = None
    button: JsonObject | None = None
    cached_until: float = 0.0
    is_personal: bool = False


class State(Thing):
    """The whole world, as it is saved. `inline`: @BotFather has switched inline mode on."""

    version: Literal[1] = 1
    bot: User
    token: str
    users: dict[int, User]
    chats: dict[int, Chat]
    privacy: Privacy = "mentions"
    commands: list[CommandList] = Field(default_factory=list)
    pending: list[QueuedUpdate] = Field(default_factory=list)
    queries: dict[str, CallbackQuery] = Field(default_factory=dict)
    inline: bool = True
    inline_queries: dict[str, InlineQuery] = Field(default_factory=dict)
    files: dict[str, File] = Field(default_factory=dict)
    allowed_updates: list[str] = Field(default_factory=list)
    next_update_id: int = 1
    webhook_url: str = ""

    def user(self, user_id: int) -> User:
        return SERVICE_USERS.get(user_id) or self.users[user_id]


def dump(thing: BaseModel) -> JsonObject:
    """`thing` as JSON values, without what is not set."""
    return thing.model_dump(mode="json", exclude_none=True)


def dump_all(things: Iterable[BaseModel]) -> list[JsonObject]:
    return [dump(thing) for thing in things]


def compact(value: object) -> str:
    """JSON as Telegram writes it: no spaces, no escaped letters."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
