"""/privacy, /export and /forget: what the bot keeps about somebody, and how they get it or get rid of it."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from telegram import Message, Update, User

from bot.handlers.buttons import Pressed
from bot.handlers.context import Context
from bot.handlers.edits import Edits
from bot.handlers.keyboards import DELETE, forget_buttons
from bot.handlers.replies import Replies
from bot.handlers.running import RunningAnswers
from bot.handlers.screen import Screen
from bot.handlers.words import Translate, translate_for
from bot.history.personal import Export, PersonalData
from bot.history.records import Turn
from bot.tasks.chat import Chat
from bot.transport.content import Content
from bot.transport.errors import CallFailed
from bot.transport.outbox import Outbox
from bot.transport.triggers import conversation_key

log = logging.getLogger(__name__)


class PrivacyHandler:
    """Everybody's own data. `keep_days` is how long it is kept, 0 for ever; `clear_results` empties a cache."""

    def __init__(
        self,
        me: User,
        keep_days: int,
        personal: PersonalData,
        chat: Chat,
        clear_results: Callable[[], None],
        running: RunningAnswers,
        edits: Edits,
        screen: Screen,
        outbox: Outbox,
        replies: Replies,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._me = me
        self._keep_days = keep_days
        self._personal = personal
        self._chat = chat
        self._clear_results = clear_results
        self._running = running
        self._edits = edits
        self._screen = screen
        self._outbox = outbox
        self._replies = replies
        self._clock = clock

    async def on_privacy(self, update: Update, _context: Context) -> None:
        """/privacy"""
        await self._replies.say(update, privacy_text(self._keep_days, translate_for(update)))

    async def on_export(self, update: Update, _context: Context) -> None:
        """/export: one JSON file, and never where others see it."""
        _, user = translate_for(update), update.effective_user
        if user is None or not _is_private(update, user):
            await self._replies.say(update, _in_private("/export", _))
            return
        exported = await self._personal.export(user.id)
        now = datetime.fromtimestamp(self._clock(), UTC)
        about = {"bot": self._me.username or "", "user_id": user.id, "exported_at": now.isoformat()}
        content = await asyncio.to_thread(_written, about, exported)
        caption = _("📦 All that I keep about you: {turns} of your messages, and the rest of /privacy.")
        await self._replies.send_document(
            update,
            content,
            f"{self._me.username}-{now:%Y-%m-%d}.json",
            caption.format(turns=len(exported["turns"])),
        )

    async def on_forget(self, update: Update, _context: Context) -> None:
        """/forget: asks first. Of whoever writes in the name of a chat nobody knows who it is."""
        _, user = translate_for(update), update.effective_user
        if user is None:
            return
        if update.message is not None and update.message.sender_chat is not None:
            await self._replies.say(update, _in_private("/forget", _))
            return
        await self._replies.say(
            update,
            _(
                "🗑 Delete all that I keep about you, here and in every other chat? "
                "That cannot be undone; /export gives you a copy before."
            ),
            markup=forget_buttons(user.id, _),
        )

    async def on_forget_button(self, pressed: Pressed) -> None:
        """The answer to that."""
        _, user = translate_for(pressed.update), pressed.query.from_user
        await pressed.answer()
        if pressed.press.value == DELETE:
            await self._forget(user.id, before=pressed.update.update_id)
            log.info("a person was forgotten as they asked")
        message = pressed.query.message
        if message is not None:
            done = Content(_forgotten(pressed.press.value == DELETE, _))
            await self._outbox.edit(message.chat.id, message.message_id, done)

    async def _forget(self, user_id: int, before: int) -> None:
        """Nobody writes into a conversation of theirs while it is deleted, and nothing goes on afterwards."""
        conversations = await self._personal.conversations(user_id)
        async with AsyncExitStack() as held:
            for key in conversations:
                if key.user_id == user_id:
                    self._running.stop(key)
            for key in conversations:
                await held.enter_async_context(self._running.alone(key))
            unfinished = await self._personal.forget(user_id, before)
            for key in conversations:
                self._chat.forget(key)
        self._edits.forget(user_id)
        self._clear_results()
        await self._personal.database.empty_log()
        for turn in unfinished:
            await self._clear(turn)

    async def _clear(self, turn: Turn) -> None:
        """A word about a wait that is over."""
        try:
            await self._screen.clear(turn)
        except CallFailed as error:
            log.info("a message was not deleted: %s", error)


def privacy_text(keep_days: int, _: Translate) -> str:
    """What is kept, where, and how long."""
    kept = _("for {days} days").format(days=keep_days) if keep_days else _("until you delete it")
    return _(
        "🔐 What I keep about you, {kept}:\n\n"
        "• what you write to me and what I answer, with its mood\n"
        "• your number, your language, your settings and corrections, and when you were here first and last\n\n"
        "It is in one database of whoever runs me, and nowhere else; it is in no log. "
        "What is said in Telegram, Telegram sees, as with every bot.\n\n"
        "/export – all of it as a file\n"
        "/forget – delete all of it"
    ).format(kept=kept)


def _forgotten(deleted: bool, _: Translate) -> str:
    if not deleted:
        return _("👌 Nothing was deleted.")
    return _(
        "🗑 All deleted: I do not know you any more. What is still in this chat, you can delete in Telegram."
    )


def _in_private(command: str, _: Translate) -> str:
    return _("This is between the two of us: please send {command} in our private chat.").format(
        command=command
    )


def _is_private(update: Update, user: User) -> bool:
    key, message = conversation_key(update), update.effective_message
    is_private = isinstance(message, Message) and message.chat.type == message.chat.PRIVATE
    return is_private and key is not None and key.user_id == user.id


def _written(about: dict[str, object], exported: Export) -> bytes:
    return json.dumps(about | exported, ensure_ascii=False, indent=2).encode()
