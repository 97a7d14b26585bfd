"""The command menus that Telegram shows, for everybody and for admins, in every language."""

import logging
from collections.abc import Collection
from functools import partial

from telegram import Bot, BotCommand, BotCommandScope, BotCommandScopeChat, BotCommandScopeDefault

from bot.handlers.words import Translate
from bot.locales import LANGUAGES, translation
from bot.transport.errors import CallFailed
from bot.transport.outbox import Outbox

log = logging.getLogger(__name__)


def commands(_: Translate, *, admin: bool) -> list[BotCommand]:
    """What a menu lists."""
    listed = [
        BotCommand("new", _("start a new conversation")),
        BotCommand("sentiment", _("the mood of a text or of a message")),
        BotCommand("help", _("what I can do")),
    ]
    return [*listed, BotCommand("stats", _("how the bot is doing"))] if admin else listed


async def publish_menus(outbox: Outbox, admins: Collection[int]) -> None:
    """Set all menus. A menu that cannot be set is no reason not to work."""
    for language in LANGUAGES:
        # English is also what everybody else sees, so it is set without a language.
        code = None if language == "en" else language.split("_")[0]
        scopes: list[BotCommandScope] = [
            BotCommandScopeDefault(),
            *(BotCommandScopeChat(admin) for admin in admins),
        ]
        for scope in scopes:
            listed = commands(translation(language).gettext, admin=isinstance(scope, BotCommandScopeChat))
            try:
                await outbox.call("setMyCommands", partial(_set, listed, scope, code))
            except CallFailed as error:
                log.warning("a command menu was not set: %s", error)


async def _set(listed: list[BotCommand], scope: BotCommandScope, language: str | None, bot: Bot) -> None:
    await bot.set_my_commands(listed, scope=scope, language_code=language)
