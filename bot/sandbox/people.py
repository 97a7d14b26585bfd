"""Person: what somebody with a Telegram app can do. The page and the tests act through it.

    ann = running.person("Ann")
    await ann.say("hi")                                  # in her private chat with the bot
    await ann.say("@tandem_bot hi", chat="Team", reply_to=7)
    await ann.edit(3, "hello")
    await ann.press(4, "Stop")                           # the button's text; returns the query's id
    await ann.react(4, "👍")
    await ann.forward(4, "Team")                         # from her private chat into the group
    await ann.follow("https://t.me/tandem_bot?start=x")  # a deep link: opens the chat and starts
    await ann.file("notes.md", b"# Notes", caption="What is this about?")
    ann.messages()                                       # plain state, fit for running.wait_for(...)

Chats are named by title, person's name or id; without a chat it is the person's private chat.
What Telegram itself does to groups (topics, migration, linked channels) is in `groups`.
"""

import re
import secrets
from collections.abc import Sequence
from typing import Any

from . import entities, wire
from .attachments import picture_size
from .delivery import sees_everything
from .objects import (
    ANONYMOUS_ADMIN,
    CHANNEL_PERSONA,
    Attachment,
    Button,
    CallbackQuery,
    Chat,
    Entity,
    JsonObject,
    Message,
    User,
)
from .world import World

MAX_CAPTION = 1024


class NotPossible(Exception):
    """A person tried what Telegram's apps do not offer; the message says what."""


class Person:
    """One person's hands. Their messages reach the bot as Telegram's privacy mode has it."""

    def __init__(self, world: World, user: User) -> None:
        self.world = world
        self.user = user

    def messages(self, chat: int | str | None = None) -> list[Message]:
        """All messages of the chat, oldest first."""
        return list(self._chat(chat).messages.values())

    async def say(
        self,
        text: str,
        chat: int | str | None = None,
        *,
        reply_to: int | None = None,
        thread: int | None = None,
        sender: int | str | None = None,
    ) -> Message:
        """Write a message; like the apps, cut what is too long into several. Returns the last one.

        `sender` is the chat in whose name it is written: the group's own for an anonymous admin, a
        channel for somebody who writes as the channel.
        """
        where = self._chat(chat)
        if reply_to is not None:
            self._message(where, reply_to)
        as_chat = None if sender is None else self.world.chat(sender)
        body, _ = entities.normalise(text, [])
        if not body:
            raise NotPossible("an empty message cannot be sent")
        starts = range(0, len(body), entities.MAX_TEXT)
        pieces = [body[start : start + entities.MAX_TEXT] for start in starts]
        return [self._say(where, piece, reply_to, thread, as_chat) for piece in pieces][-1]

    def _say(
        self, chat: Chat, text: str, reply_to: int | None, thread: int | None, as_chat: Chat | None
    ) -> Message:
        body, found = entities.normalise(text, [])
        return self._write(
            chat,
            from_id=self._signature(chat, as_chat),
            sender_chat_id=as_chat.id if as_chat else None,
            text=body,
            entities=found,
            reply_to=reply_to or thread,
            thread_id=thread,
        )

    def _write(self, chat: Chat, **fields: object) -> Message:
        message = self.world.add_message(chat, **fields)
        self.world.deliver("message", message)
        return message

    def send_via_bot(self, text: str, found: list[Entity], chat: int | str | None = None) -> Message:
        """Send what the bot offered by its inline mode; see `inline`."""
        where = self._chat(chat)
        return self._write(where, from_id=self.user.id, text=text, entities=found, via_bot=True)

    async def forward(self, message_id: int, chat: int | str, source: int | str | None = None) -> Message:
        """Pass a message of the chat `source` on to another one."""
        original = self._message(self._chat(source), message_id)
        if original.service:
            raise NotPossible("a service message cannot be forwarded")
        body = original.model_dump(include={"text", "caption", "entities", "attachment", "forward_origin"})
        origin = original.forward_origin or wire.origin(self.world.state, original)
        return self._write(self._chat(chat), from_id=self.user.id, **body | {"forward_origin": origin})

    async def follow(self, link: str) -> Message:
        """Click a link to the bot and press START, which sends what the link carries."""
        bot = re.escape(self.world.bot.username or "")
        match = re.fullmatch(
            rf"https?://t\.me/{bot}(?:\?start=([\w-]{{1,64}}))?", link, re.ASCII | re.IGNORECASE
        )
        if match is None:
            raise NotPossible(f"{link} does not lead to the bot")
        await self.unblock()
        return await self.say(f"/start {match[1]}" if match[1] else "/start")

    async def file(
        self,
        name: str,
        content: bytes,
        chat: int | str | None = None,
        *,
        mime_type: str | None = None,
        **how: Any,
    ) -> Message:
        """Send a file as it is; `how` is that of `attach`."""
        file = self.world.add_file(content, name, mime_type)
        about = {"name": name, "mime_type": mime_type, "size": len(content)}
        return await self.attach(Attachment(kind="document", file=file.id, **about), chat, **how)

    async def photo(self, content: bytes, chat: int | str | None = None, **how: Any) -> Message:
        """Send a PNG or JPEG as a picture."""
        size = picture_size(content)
        if size is None:
            raise NotPossible("only PNG and JPEG can be sent as pictures here")
        file, (width, height) = self.world.add_file(content), size
        photo = Attachment(kind="photo", file=file.id, width=width, height=height, size=len(content))
        return await self.attach(photo, chat, **how)

    async def voice(self, chat: int | str | None = None, **how: Any) -> Message:
        """Send a voice message, one second of nothing."""
        file = self.world.add_file(b"OggS")
        return await self.attach(Attachment(kind="voice", file=file.id, duration=1, size=4), chat, **how)

    async def sticker(self, emoji: str, chat: int | str | None = None, **how: Any) -> Message:
        """Send a sticker that stands for `emoji`."""
        file = self.world.add_file(emoji.encode())
        return await self.attach(Attachment(kind="sticker", file=file.id, emoji=emoji, size=4), chat, **how)

    async def poll(
        self, question: str, options: Sequence[str], chat: int | str | None = None, **how: Any
    ) -> Message:
        """Ask everybody something."""
        return await self.attach(
            Attachment(kind="poll", question=question, options=list(options)), chat, **how
        )

    async def attach(
        self,
        attachment: Attachment,
        chat: int | str | None = None,
        *,
        caption: str = "",
        reply_to: int | None = None,
        thread: int | None = None,
        album: str | None = None,
    ) -> Message:
        """Send something that is no text; pictures of one `album` belong together."""
        where = self._chat(chat)
        if reply_to is not None:
            self._message(where, reply_to)
        body, found = entities.normalise(caption, [])
        if len(body) > MAX_CAPTION:
            raise NotPossible(f"a caption has at most {MAX_CAPTION} characters")
        return self._write(
            where,
            from_id=self.user.id,
            attachment=attachment,
            caption=body or None,
            entities=found,
            media_group=album,
            reply_to=reply_to or thread,
            thread_id=thread,
        )

    def _signature(self, chat: Chat, as_chat: Chat | None) -> int:
        if as_chat is None:
            return self.user.id
        return ANONYMOUS_ADMIN.id if as_chat.id == chat.id else CHANNEL_PERSONA.id

    async def edit(self, message_id: int, text: str, chat: int | str | None = None) -> Message:
        """Change one's own message."""
        message = self._message(self._chat(chat), message_id)
        if message.from_id != self.user.id or (message.text is None and message.attachment is None):
            raise NotPossible("only one's own text messages and captions can be edited")
        body, found = entities.normalise(text, [])
        shortest, longest = (1, entities.MAX_TEXT) if message.attachment is None else (0, MAX_CAPTION)
        if not shortest <= len(body) <= longest:
            raise NotPossible(f"a message has {shortest} to {longest} characters")
        if body != message.words:
            self.world.change_text(message, body, found)
            self.world.deliver("edited_message", message)
        return message

    async def press(self, message_id: int, label: str, chat: int | str | None = None) -> str:
        """Press the button `label` below a message; returns the id of the query that the bot now has."""
        where = self._chat(chat)
        message = self._message(where, message_id)
        button = _button(message, label)
        if button.callback_data is None:
            raise NotPossible(f"the button {label!r} does not call the bot")
        return self._query(where, message, button.callback_data)

    def _query(self, chat: Chat, message: Message, data: str) -> str:
        query = CallbackQuery(
            id=str(secrets.randbelow(2**63)),
            user_id=self.user.id,
            chat_id=chat.id,
            message_id=message.message_id,
            date=self.world.clock(),
        )
        body: JsonObject = {
            "id": query.id,
            "from": wire.user(self.user),
            "message": wire.message(self.world.state, message),
            "chat_instance": chat.instance,
            "data": data,
        }
        self.world.add_query(query)
        self.world.queue_update("callback_query", body)
        return query.id

    async def react(self, message_id: int, emoji: str | None, chat: int | str | None = None) -> None:
        """Put one reaction on a message, or take it back with None."""
        where = self._chat(chat)
        message = self._message(where, message_id)
        old, new = message.reactions.get(self.user.id, []), [emoji] if emoji else []
        self.world.set_reactions(message, self.user.id, new)
        if old != new and (where.type == "private" or sees_everything(self.world.state, where)):
            change = wire.reaction(self.world.state, message, self.user, old, self.world.now)
            self.world.queue_update("message_reaction", change)

    async def delete(self, message_id: int, chat: int | str | None = None) -> None:
        """Delete a message for everybody; the bot is not told."""
        where = self._chat(chat)
        self._message(where, message_id)
        self.world.remove_message(where, message_id)

    async def block(self) -> None:
        """Stop the bot: it can no longer write here."""
        self.world.set_member(self._chat(None), self.world.bot.id, "kicked", by=self.user.id)

    async def unblock(self) -> None:
        self.world.set_member(self._chat(None), self.world.bot.id, "member", by=self.user.id)

    def _chat(self, name: int | str | None) -> Chat:
        chat = self.world.chat(self.user.id if name is None else name)
        if chat.type == "private" and chat.id != self.user.id:
            raise NotPossible("that is somebody else's private chat")
        if chat.type != "private" and chat.members.get(self.user.id, "left") in ("left", "kicked"):
            raise NotPossible(f"{self.user.first_name} is not in {chat.title}")
        return chat

    def _message(self, chat: Chat, message_id: int) -> Message:
        try:
            return chat.messages[message_id]
        except KeyError:
            raise NotPossible(f"there is no message {message_id} in this chat") from None


def _button(message: Message, label: str) -> Button:
    buttons = [button for row in message.keyboard for button in row]
    for button in buttons:
        if button.text == label:
            return button
    raise NotPossible(f"no button {label!r} below message {message.message_id}: {[b.text for b in buttons]}")
