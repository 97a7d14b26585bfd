"""/settings, /persona and /language: people choose for themselves, and a group's admins for the group."""

from collections.abc import Awaitable, Callable, Mapping

from telegram import Update

from bot.handlers.buttons import Pressed
from bot.handlers.context import Context
from bot.handlers.languages import Languages
from bot.handlers.refusals import Refusals
from bot.handlers.replies import Replies
from bot.handlers.roles import GroupAdmins
from bot.handlers.settings_pages import LANGUAGE, MAIN, PAGES, PERSONA, Reader, options, page
from bot.handlers.words import admins_only_line, language_for, translate_for
from bot.history.preferences import Preferences
from bot.personas import Persona
from bot.transport.content import Content
from bot.transport.outbox import MessageGone, Outbox

PublishMenu = Callable[[int, str | None], Awaitable[None]]
"""Show the commands of a chat in the language that was chosen there; None: in everybody's own."""


class SettingsHandler:
    """Every page is one message, which a press changes."""

    def __init__(
        self,
        preferences: Preferences,
        personas: Mapping[str, Persona],
        group_admins: GroupAdmins,
        languages: Languages,
        publish_menu: PublishMenu,
        outbox: Outbox,
        replies: Replies,
        refusals: Refusals,
    ) -> None:
        self._preferences = preferences
        self._personas = personas
        self._group_admins = group_admins
        self._languages = languages
        self._publish_menu = publish_menu
        self._outbox = outbox
        self._replies = replies
        self._refusals = refusals

    async def on_settings(self, update: Update, _context: Context) -> None:
        """/settings"""
        await self._open(update, MAIN)

    async def on_persona(self, update: Update, _context: Context) -> None:
        """/persona"""
        await self._open(update, PERSONA)

    async def on_language(self, update: Update, _context: Context) -> None:
        """/language"""
        await self._open(update, LANGUAGE)

    async def on_button(self, pressed: Pressed) -> None:
        """A press on one of the pages."""
        update, _ = pressed.update, translate_for(pressed.update)
        message = update.effective_message
        name, chooses, value = pressed.press.value.partition("=")
        if message is None or not await self._may(update):
            await pressed.answer(_only_admins(update))
        elif name not in PAGES or (chooses and value not in options(name, self._personas, _reader(update))):
            await pressed.answer(_("This button is from an older version of me."))
        else:
            if chooses:
                await self._choose(update, message.chat.id, name, value)
                _ = translate_for(update)  # the language may be another one now
                await pressed.answer(_("✅ Saved"))
            await self._show(message.chat.id, message.message_id, await self._page(update, name))

    async def _open(self, update: Update, name: str) -> None:
        if not await self._may(update):
            await self._refusals.refuse(update, _only_admins(update))
            return
        content = await self._page(update, name)
        await self._replies.say(update, content.text, markup=content.markup)

    async def _may(self, update: Update) -> bool:
        chat = update.effective_chat
        return chat is not None and (chat.type == chat.PRIVATE or await self._group_admins.sent(update))

    async def _page(self, update: Update, name: str) -> Content:
        assert update.effective_chat is not None
        chosen = await self._preferences.of(update.effective_chat.id)
        return page(name, chosen, self._personas, _reader(update))

    async def _choose(self, update: Update, chat_id: int, name: str, value: str) -> None:
        await self._preferences.choose(chat_id, **{name: value or None})
        if name == LANGUAGE:
            await self._languages.follow(update)
            await self._publish_menu(chat_id, value or None)

    async def _show(self, chat_id: int, message_id: int, content: Content) -> None:
        try:
            await self._outbox.edit(chat_id, message_id, content)
        except MessageGone:
            return


def _reader(update: Update) -> Reader:
    chat, user = update.effective_chat, update.effective_user
    alone = chat is not None and user is not None and chat.type == chat.PRIVATE
    return Reader(user.id if alone and user is not None else 0, language_for(update), translate_for(update))


def _only_admins(update: Update) -> str:
    return admins_only_line(translate_for(update))
