"""Person: what somebody with a Telegram app can do. The page and the tests act through it.

    ann = running.person("Ann")
    await ann.say("hi")                                  # in her private chat with the bot
    await ann.say("@tandem_bot hi", chat="Team", reply_to=7)
    await ann.edit(3, "hello")
    await ann.press(4, "Stop")                           # the button's text; returns the query's id
    await ann.react(4, "👍")
    ann.messages()                                       # plain state, fit for running.wait_for(...)

Chats are named by title, person's name or id; without a chat it is the person's private chat.
"""

import secrets

from . import entities, wire
from .delivery import reaches_bot, sees_everything
from .objects import Button, CallbackQuery, Chat, JsonObject, Message, User
from .world import World


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
    ) -> Message:
        """Write a message; like the apps, cut what is too long into several. Returns the last one."""
        where = self._chat(chat)
        pieces = [text[start : start + entities.MAX_TEXT] for start in range(0, len(text), entities.MAX_TEXT)]
        sent = [self._say(where, piece, reply_to, thread) for piece in pieces if piece.strip()]
        if not sent:
            raise NotPossible("an empty message cannot be sent")
        return sent[-1]

    def _say(self, chat: Chat, text: str, reply_to: int | None, thread: int | None) -> Message:
        body = entities.clean(text).strip()
        message = self.world.add_message(
            chat,
            from_id=self.user.id,
            text=body,
            entities=entities.find(body),
            reply_to=reply_to,
            thread_id=thread,
        )
        self._deliver("message", chat, message)
        return message

    async def edit(self, message_id: int, text: str, chat: int | str | None = None) -> Message:
        """Change one's own message."""
        where = self._chat(chat)
        message = self._message(where, message_id)
        if message.from_id != self.user.id or message.text is None:
            raise NotPossible("only one's own text messages can be edited")
        body = entities.clean(text).strip()[: entities.MAX_TEXT]
        if not body:
            raise NotPossible("an empty message cannot be sent")
        if body != message.text:
            self.world.change_text(message, body, entities.find(body))
            self._deliver("edited_message", where, message)
        return message

    async def press(self, message_id: int, label: str, chat: int | str | None = None) -> str:
        """Press the button `label` below a message; returns the id of the query that the bot now has."""
        where = self._chat(chat)
        message = self._message(where, message_id)
        button = self._button(message, label)
        if button.callback_data is None:
            raise NotPossible(f"the button {label!r} does not call the bot")
        return self._query(where, message, button.callback_data)

    def _button(self, message: Message, label: str) -> Button:
        buttons = [button for row in message.keyboard for button in row]
        for button in buttons:
            if button.text == label:
                return button
        raise NotPossible(
            f"no button {label!r} below message {message.message_id}: {[b.text for b in buttons]}"
        )

    def _query(self, chat: Chat, message: Message, data: str) -> str:
        query = CallbackQuery(
            id=str(secrets.randbelow(2**62)),
            user_id=self.user.id,
            chat_id=chat.id,
            message_id=message.message_id,
            date=self.world.clock(),
        )
        self.world.add_query(query)
        body: JsonObject = {
            "id": query.id,
            "from": wire.user(self.user),
            "message": self.world.wire_message(message),
            "chat_instance": str(abs(hash((chat.id, self.world.bot.id)))),
            "data": data,
        }
        self.world.queue_update("callback_query", body)
        return query.id

    async def react(self, message_id: int, emoji: str | None, chat: int | str | None = None) -> None:
        """Put one reaction on a message, or take it back with None."""
        where = self._chat(chat)
        message = self._message(where, message_id)
        old, new = message.reactions.get(self.user.id, []), [emoji] if emoji else []
        self.world.set_reactions(message, self.user.id, new)
        if old != new and (where.type == "private" or sees_everything(self.world.state, where)):
            self.world.queue_update(
                "message_reaction", wire.reaction(self.world.state, message, self.user, old)
            )

    async def delete(self, message_id: int, chat: int | str | None = None) -> None:
        """Delete a message for everybody; the bot is not told."""
        where = self._chat(chat)
        self._message(where, message_id)
        self.world.remove_message(where, message_id)

    async def block(self) -> None:
        """Stop the bot: it can no longer write here."""
        self.world.set_member(self.world.chat(self.user.id), self.world.bot.id, "kicked", by=self.user.id)

    async def unblock(self) -> None:
        self.world.set_member(self.world.chat(self.user.id), self.world.bot.id, "member", by=self.user.id)

    def _chat(self, name: int | str | None) -> Chat:
        chat = self.world.chat(self.user.id if name is None else name)
        if chat.type == "private" and chat.id != self.user.id:
            raise NotPossible("that is somebody else's private chat")
        if chat.is_group and chat.members.get(self.user.id, "left") in ("left", "kicked"):
            raise NotPossible(f"{self.user.first_name} is not in {chat.title}")
        return chat

    def _message(self, chat: Chat, message_id: int) -> Message:
        try:
            return chat.messages[message_id]
        except KeyError:
            raise NotPossible(f"there is no message {message_id} in this chat") from None

    def _deliver(self, kind: str, chat: Chat, message: Message) -> None:
        if reaches_bot(self.world.state, chat, message):
            self.world.queue_update(kind, self.world.wire_message(message))
