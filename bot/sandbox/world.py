"""World: everything that exists in the sandbox, and the few ways in which it changes.

Pure state with an injected clock: no HTTP, no asyncio. What people do is in `people`, what the bot does
in `methods`; both change the world only through here, and every change is told to the listeners.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from . import wire
from .delivery import reaches_bot
from .objects import (
    CallbackQuery,
    Chat,
    ChatType,
    Entity,
    File,
    JsonObject,
    Keyboard,
    MemberStatus,
    Message,
    QueuedUpdate,
    State,
    User,
    dump,
)

BOT_ID = 7_000_000_001
BOT_USERNAME = "tandem_bot"
ANN_ID, LI_LEI_ID = 1_001, 1_002
TEAM_ID = -1_002_000_000_001
KEPT_MESSAGES = 2000
KEPT_FILES, KEPT_BYTES = 200, 32 << 20
QUERY_LIFETIME_S = 60
DAY_S = 24 * 3600
# Of updates that are of no use later; the others wait for a day.
UPDATE_LIFETIMES_S = {"callback_query": 150, "inline_query": 30}
EPOCH_2024 = 1_704_067_200

NOT_BY_DEFAULT = {"chat_member", "message_reaction", "message_reaction_count"}

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that changed.

    `kind` is message, edit, delete, reaction, action, answer, inline, chat, commands, settings,
    trace or update.
    """

    kind: str
    chat_id: int | None
    data: JsonObject


Listener = Callable[[Event], None]


def new_state() -> State:
    """The world on its first day: Ann, 李雷, the bot, and the group "Team"."""
    bot = User(id=BOT_ID, first_name="Tandem", username=BOT_USERNAME, is_bot=True)
    people = (
        User(id=ANN_ID, first_name="Ann", username="ann", language_code="en"),
        User(id=LI_LEI_ID, first_name="李雷", language_code="zh-hans"),
    )
    private = (Chat(id=person.id, type="private") for person in people)
    team = Chat(id=TEAM_ID, type="supergroup", title="Team")
    team.members = {ANN_ID: "creator", LI_LEI_ID: "member", BOT_ID: "member"}
    return State(
        bot=bot,
        token=f"{BOT_ID}:{secrets.token_urlsafe(32)[:35]}",
        users={user.id: user for user in (bot, *people)},
        chats={chat.id: chat for chat in (*private, team)},
    )


class World:
    """All chats and people of one sandbox, and the updates that wait for its one bot."""

    def __init__(self, state: State | None = None, clock: Clock = time.time) -> None:
        self.state = state or new_state()
        self.clock = clock
        self.listeners: list[Listener] = []
        # Numbers that follow the time keep growing even when the saved world was lost.
        by_time = int((clock() - EPOCH_2024) * 8)
        self.state.next_update_id = max(self.state.next_update_id, by_time, 1)

    @property
    def bot(self) -> User:
        return self.state.bot

    @property
    def now(self) -> int:
        return int(self.clock())

    # --- looking -------------------------------------------------------------------------------

    def chat(self, name: int | str) -> Chat:
        """A chat by its id, title or person's name. Raises KeyError."""
        if isinstance(name, int):
            return self.state.chats[name]
        for chat in self.state.chats.values():
            if name == chat.title and chat.migrated_to is None:
                return chat
        return self.state.chats[self.user(name).id]

    def user(self, name: int | str) -> User:
        """A person or bot by id, first name or username. Raises KeyError."""
        if isinstance(name, int):
            return self.state.user(name)
        for user in self.state.users.values():
            if name.removeprefix("@") in (user.first_name, user.username):
                return user
        raise KeyError(f"nobody is called {name!r} here")

    def people(self) -> list[User]:
        return [user for user in self.state.users.values() if not user.is_bot]

    def messages(self, chat: int | str) -> list[Message]:
        """All messages of a chat, oldest first."""
        return list(self.chat(chat).messages.values())

    def transcript(self, chat: int | str | None = None) -> str:
        """What was said, one line a message, for people who read a failed test."""
        chats = [self.chat(chat)] if chat is not None else list(self.state.chats.values())
        return "\n".join(line for one in chats for line in self._lines(one))

    def _lines(self, chat: Chat) -> list[str]:
        lines = [f"— {chat.title or self.state.user(chat.id).first_name} ({chat.id}) —"]
        for message in chat.messages.values():
            author = self.state.user(message.from_id).first_name if message.from_id else chat.title
            text = message.text if message.text is not None else _label(message)
            lines.append(f"{message.message_id:>4} {author}: {text}")
        return lines

    # --- messages ------------------------------------------------------------------------------

    def add_message(self, chat: Chat, **fields: object) -> Message:
        """Put a message at the end of `chat`; the fields are Message's."""
        new = {"message_id": chat.next_message_id, "chat_id": chat.id, "date": self.now}
        message = Message.model_validate(new | fields)
        chat.next_message_id += 1
        chat.messages[message.message_id] = message
        while len(chat.messages) > KEPT_MESSAGES:
            del chat.messages[next(iter(chat.messages))]
        self.tell("message", chat.id, dump(message))
        return message

    def add_file(self, content: bytes, name: str | None = None, mime_type: str | None = None) -> File:
        """Keep what somebody sent; the oldest files make room."""
        file = File(id=f"file-{secrets.token_hex(8)}", name=name, mime_type=mime_type)
        file.content = content
        self.state.files[file.id] = file
        kept = list(self.state.files.values())
        while len(kept) > KEPT_FILES or sum(len(each.content) for each in kept) > KEPT_BYTES:
            del self.state.files[kept.pop(0).id]
        return file

    def change_text(self, message: Message, text: str, entities: list[Entity]) -> None:
        """Change the text of a message, or the caption of an attachment."""
        if message.attachment is None:
            message.text = text
        else:
            message.caption = text or None
        message.entities, message.edit_date = entities, self.now
        self.tell("edit", message.chat_id, dump(message))

    def change_keyboard(self, message: Message, keyboard: Keyboard) -> None:
        message.keyboard, message.edit_date = keyboard, self.now
        self.tell("edit", message.chat_id, dump(message))

    def remove_message(self, chat: Chat, message_id: int) -> None:
        del chat.messages[message_id]
        self.tell("delete", chat.id, {"message_id": message_id})

    def set_reactions(self, message: Message, who: int, emoji: list[str]) -> None:
        message.reactions.pop(who, None)
        if emoji:
            message.reactions[who] = emoji
        self.tell("reaction", message.chat_id, dump(message))

    def add_query(self, query: CallbackQuery) -> None:
        """Remember a pressed button until the bot answers; old ones are forgotten."""
        self.state.queries = self.open_queries() | {query.id: query}

    def open_queries(self) -> dict[str, CallbackQuery]:
        oldest = self.clock() - QUERY_LIFETIME_S
        return {query.id: query for query in self.state.queries.values() if query.date > oldest}

    # --- chats ---------------------------------------------------------------------------------

    def create_chat(self, title: str, members: list[int], kind: ChatType = "supergroup") -> Chat:
        """A new group or channel of these people with the bot in it; the first one owns it."""
        number = len(self.state.chats) + 1
        chat_id = -(4_000_000 + number) if kind == "group" else -(1_002_000_000_000 + number)
        chat = Chat(id=chat_id, type=kind, title=title)
        chat.members = {**dict.fromkeys(members, "member"), members[0]: "creator"}
        chat.members[self.bot.id] = "administrator" if kind == "channel" else "member"
        self.state.chats[chat.id] = chat
        self.tell("chat", chat.id, {})
        return chat

    def set_member(self, chat: Chat, who: int, status: MemberStatus, *, by: int) -> None:
        """Change what `who` is in `chat`; the bot is told about itself, and as an admin about others."""
        old = chat.members.get(who, "member" if chat.type == "private" else "left")
        if old == status:
            return
        chat.members[who] = status
        self.tell("chat", chat.id, {})
        body = wire.member_change(self.state, chat, who, old, by, self.now)
        if who == self.bot.id:
            self.queue_update("my_chat_member", body)
        elif chat.members.get(self.bot.id) == "administrator":
            self.queue_update("chat_member", body)

    # --- updates -------------------------------------------------------------------------------

    def deliver(self, kind: str, message: Message) -> None:
        """Let the bot have a message that somebody wrote or edited, if it may see it."""
        chat = self.state.chats[message.chat_id]
        if reaches_bot(self.state, chat, message):
            self.queue_update(kind, wire.message(self.state, message))

    def queue_update(self, kind: str, body: JsonObject) -> None:
        """Let the bot have an update of this kind, if it asked for the kind."""
        wanted = self.state.allowed_updates
        if kind in wanted or (not wanted and kind not in NOT_BY_DEFAULT):
            self.inject({kind: body})

    def inject(self, update: JsonObject) -> int:
        """Queue any update, even one that Telegram would never send; returns its update_id."""
        update_id = self.state.next_update_id
        self.state.next_update_id += 1
        body = {"update_id": update_id, **update}
        lifetime = next((UPDATE_LIFETIMES_S[kind] for kind in update if kind in UPDATE_LIFETIMES_S), DAY_S)
        expires = self.clock() + lifetime
        self.state.pending.append(QueuedUpdate(update_id=update_id, expires=expires, body=body))
        self.tell("update", None, {"update_id": update_id})
        return update_id

    def waiting(self, offset: int, limit: int) -> list[JsonObject]:
        """Updates that wait for the bot (getUpdates); a higher offset confirms what lies before it."""
        now = self.clock()
        pending = [update for update in self.state.pending if update.expires > now]
        if offset < 0:
            pending = pending[offset:]
        elif offset <= self.state.next_update_id + 10:  # Telegram takes one further ahead for a mistake
            pending = [update for update in pending if update.update_id >= offset]
        self.state.pending = pending
        return [update.body for update in pending[:limit]]

    def tell(self, kind: str, chat_id: int | None, data: JsonObject) -> None:
        """Tell the listeners what happened."""
        event = Event(kind, chat_id, data)
        for listener in list(self.listeners):
            listener(event)


def _label(message: Message) -> str:
    """A message without text, for the transcript."""
    if message.attachment is None:
        return f"[{', '.join(message.service)}]"
    return f"[{message.attachment.kind}] {message.caption or ''}".rstrip()
