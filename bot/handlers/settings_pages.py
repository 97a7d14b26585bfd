"""The pages of /settings: what they say, and their buttons. Pure.

A button's value names a page, or a choice as `page=value`; a choice of nothing is the default.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot.handlers.callbacks import Press
from bot.handlers.keyboards import SETTINGS
from bot.handlers.words import Translate
from bot.history.preferences import Preference, SentimentMode
from bot.locales import NAMES
from bot.personas import Persona
from bot.transport.content import Content

MAIN, SENTIMENT, PERSONA, LANGUAGE, DONE = "", "sentiment", "persona", "language", "done"
PAGES = (MAIN, SENTIMENT, PERSONA, LANGUAGE, DONE)

Options = Mapping[str, str]
"""What can be chosen: value → what people read."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who sees a page, in which language. `user_id` is 0 where all admins of a group may press."""

    user_id: int
    language: str
    _: Translate

    @property
    def in_group(self) -> bool:
        return not self.user_id


def page(name: str, chosen: Preference, personas: Mapping[str, Persona], reader: Reader) -> Content:
    """One of PAGES."""
    if name in (MAIN, DONE):
        return _overview(chosen, personas, reader, with_buttons=name == MAIN)
    _ = reader._
    questions = {
        SENTIMENT: _("How shall I show the mood of a message?"),
        PERSONA: _("Who shall I be?"),
        LANGUAGE: _("Which language shall I speak?"),
    }
    current = getattr(chosen, name) or ""
    rows = [
        [_button(f"{'✅ ' if value == current else ''}{label}", f"{name}={value}", reader)]
        for value, label in options(name, personas, reader).items()
    ]
    back = [_button(_("‹ Back"), MAIN, reader)]
    return Content(questions[name], markup=InlineKeyboardMarkup([*rows, back]))


def options(name: str, personas: Mapping[str, Persona], reader: Reader) -> Options:
    """What can be chosen on a page."""
    _ = reader._
    match name:
        case "sentiment":
            labels: dict[SentimentMode, str] = {
                "message": _("💬 As a message"),
                "reaction": _("😁 As a reaction"),
                "both": _("💬 😁 As both"),
                "off": _("🚫 Not at all"),
            }
            # The first one is the default, and stored as nothing.
            return {"" if mode == "message" else mode: labels[mode] for mode in get_args(SentimentMode)}
        case "persona":
            titles = {each: persona.title_in(reader.language) for each, persona in personas.items()}
            return {"": _("🤖 Myself"), **titles}
        case "language":
            usual = _("🌐 Each person's own") if reader.in_group else _("🌐 As in Telegram")
            return {"": usual, **NAMES}
    return {}


def _overview(
    chosen: Preference, personas: Mapping[str, Persona], reader: Reader, *, with_buttons: bool
) -> Content:
    _ = reader._
    names = {SENTIMENT: _("Mood"), PERSONA: _("Persona"), LANGUAGE: _("Language")}
    values = {name: _current(name, chosen, personas, reader) for name in names}
    title = _("⚙️ The settings of this group") if reader.in_group else _("⚙️ Your settings")
    lines = [f"{names[name]}: {values[name]}" for name in names]
    text = "\n".join([title, "", *lines])
    if not with_buttons:
        return Content(text)
    rows = [[_button(names[name], name, reader) for name in names], [_button(_("✓ Done"), DONE, reader)]]
    return Content(text, markup=InlineKeyboardMarkup(rows))


def _current(name: str, chosen: Preference, personas: Mapping[str, Persona], reader: Reader) -> str:
    """What holds now, in words; a persona that is not there any more is the usual one."""
    found = options(name, personas, reader)
    return found.get(getattr(chosen, name) or "", found[""])


def _button(label: str, value: str, reader: Reader) -> InlineKeyboardButton:
    return InlineKeyboardButton(label, callback_data=Press(SETTINGS, reader.user_id, value).data)
