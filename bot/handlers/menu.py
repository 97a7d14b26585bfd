"""The command menus that Telegram shows: for private chats, groups, their admins and ours, in every language."""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from enum import Flag, auto
from functools import partial

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllChatAdministrators,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeChatAdministrators,
)

from bot.definitions import Language
from bot.handlers.words import Translate, in_their_language
from bot.locales import translation
from bot.transport.errors import CallFailed
from bot.transport.outbox import Outbox

Descriptions = Mapping[str, Mapping[Language, str]]
"""What the operator's tasks do: by command and language."""

NO_TASKS: Descriptions = {}

log = logging.getLogger(__name__)


class Place(Flag):
    """Where a command is listed. ADMIN is the private chat of one of the bot's own admins."""

    PRIVATE = auto()
    GROUP = auto()
    GROUP_ADMIN = auto()
    ADMIN = auto()
    EVERYWHERE = PRIVATE | GROUP | GROUP_ADMIN | ADMIN


SCOPES: dict[Place, BotCommandScope] = {
    Place.PRIVATE: BotCommandScopeAllPrivateChats(),
    Place.GROUP: BotCommandScopeAllGroupChats(),
    Place.GROUP_ADMIN: BotCommandScopeAllChatAdministrators(),
}


CODES = {"en": None, "zh_CN": "zh"}
"""Telegram's codes of our languages. English is also what everybody else sees, so it is set without one."""


def commands(_: Translate, tasks: Descriptions = NO_TASKS) -> list[tuple[str, str, Place]]:
    """Every command of a menu: its name, what it does, and where it is listed."""
    return [
        ("ask", _("ask me something, or about a message"), Place.GROUP | Place.GROUP_ADMIN),
        ("new", _("start a new conversation"), Place.EVERYWHERE),
        ("retry", _("the last answer once more"), Place.EVERYWHERE),
        ("stop", _("end an answer that is being written"), Place.EVERYWHERE),
        ("sentiment", _("the mood of a text or of a message"), Place.EVERYWHERE),
        ("mood", _("your own mood, day by day"), Place.EVERYWHERE),
        ("privacy", _("what I keep about you"), Place.EVERYWHERE),
        ("export", _("your own data as a file"), Place.PRIVATE | Place.ADMIN),
        ("forget", _("delete all that I keep about you"), Place.PRIVATE | Place.ADMIN),
        *((name, does, Place.EVERYWHERE) for name, does in described(tasks, _)),
        ("settings", _("mood, persona, language"), Place.PRIVATE | Place.GROUP_ADMIN | Place.ADMIN),
        ("persona", _("who I am"), Place.PRIVATE | Place.GROUP_ADMIN | Place.ADMIN),
        ("language", _("which language I speak"), Place.PRIVATE | Place.GROUP_ADMIN | Place.ADMIN),
        ("quiet", _("let me be silent here for a while"), Place.GROUP_ADMIN),
        ("help", _("what I can do"), Place.EVERYWHERE),
        ("stats", _("how the bot is doing"), Place.ADMIN),
        ("invite", _("invite people"), Place.ADMIN),
        ("block", _("shut somebody out"), Place.ADMIN),
        ("unblock", _("take a block back"), Place.ADMIN),
    ]


def described(tasks: Descriptions, _: Translate) -> list[tuple[str, str]]:
    """The commands of tasks, and what they do in the reader's language."""
    return [(name, in_their_language(description, _)) for name, description in tasks.items()]


def menu(place: Place, _: Translate, tasks: Descriptions = NO_TASKS) -> list[BotCommand]:
    """What is listed in one place."""
    return [BotCommand(name, does) for name, does, where in commands(_, tasks) if place in where]


async def publish_menus(
    outbox: Outbox,
    admins: Collection[int],
    tasks: Descriptions,
    chosen: Callable[[int], Awaitable[str | None]],
) -> None:
    """Set all menus; those of our admins in the languages that they chose."""
    for place, scope in SCOPES.items():
        await _publish(outbox, tasks, place, scope, None)
    for admin in admins:
        await publish_menu(outbox, admins, tasks, admin, await chosen(admin))


async def publish_menu(
    outbox: Outbox, admins: Collection[int], tasks: Descriptions, chat_id: int, language: str | None
) -> None:
    """Set the menu of one chat in the language that was chosen there; None: in each reader's own."""
    places: dict[Place, BotCommandScope] = {
        Place.ADMIN if chat_id in admins else Place.PRIVATE: BotCommandScopeChat(chat_id)
    }
    if chat_id < 0:
        places = {
            Place.GROUP: BotCommandScopeChat(chat_id),
            Place.GROUP_ADMIN: BotCommandScopeChatAdministrators(chat_id),
        }
    for place, scope in places.items():
        if language is None and place is not Place.ADMIN:
            await _withdraw(outbox, scope)
        else:
            await _publish(outbox, tasks, place, scope, language)


async def _publish(
    outbox: Outbox, tasks: Descriptions, place: Place, scope: BotCommandScope, language: str | None
) -> None:
    """For readers of every language: in theirs, or all in `language`."""
    for each, code in CODES.items():
        listed = menu(place, translation(language or each).gettext, tasks)
        await _insist(outbox, "setMyCommands", partial(_set, listed, scope, code))


async def _withdraw(outbox: Outbox, scope: BotCommandScope) -> None:
    for code in CODES.values():
        await _insist(outbox, "deleteMyCommands", partial(_delete, scope, code))


async def _insist(outbox: Outbox, method: str, call: Callable[[Bot], Awaitable[None]]) -> None:
    """A menu that cannot be set is no reason not to work."""
    try:
        await outbox.call(method, call)
    except CallFailed as error:
        log.warning("a command menu was not set: %s", error)


async def _set(listed: list[BotCommand], scope: BotCommandScope, language: str | None, bot: Bot) -> None:
    await bot.set_my_commands(listed, scope=scope, language_code=language)


async def _delete(scope: BotCommandScope, language: str | None, bot: Bot) -> None:
    await bot.delete_my_commands(scope, language_code=language)
