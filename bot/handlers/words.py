"""The bot's own sentences, in the reader's language. Knows neither calls nor where a choice is kept."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar

from telegram import Update

from bot.definitions import Language, said
from bot.history.records import Verdict as Judged
from bot.locales import language_of, translation
from bot.model.api import Finish, Queued
from bot.tasks.sentiment import Mood, Verdict

Translate = Callable[[str], str]

EMOJI: dict[Mood, str] = {"positive": "😄", "negative": "😢", "neutral": "😐"}

REACTIONS: dict[Mood, str] = {"positive": "😁", "negative": "😢", "neutral": "😐"}
"""The same among the reactions that Telegram offers."""

_chosen: ContextVar[str | None] = ContextVar("chosen", default=None)


def speak(language: str | None) -> None:
    """From here on, for what this task handles, `language` is spoken; None: that of people's Telegram."""
    _chosen.set(language)


def language_for(update: Update) -> str:
    """The language that whoever sent `update` reads."""
    user = update.effective_user
    return _chosen.get() or language_of(user.language_code if user else None)


def translate_for(update: Update) -> Translate:
    """The translation for whoever sent `update`."""
    return translation(language_for(update)).gettext


def verdict_line(verdict: Verdict, _: Translate) -> str:
    """`😄 positive · 97%`"""
    return f"{EMOJI[verdict.mood]} {mood_name(verdict.mood, _)} · {verdict.probability:.0%}"


def correction_line(verdict: Judged, mood: Mood, _: Translate) -> str:
    """`😢 negative ✏️ I said positive · 97%`, or `😄 positive ✅ · 97%` where both say the same"""
    if mood == verdict.label:
        return f"{EMOJI[mood]} {mood_name(mood, _)} ✅ · {verdict.probability:.0%}"
    said = _("I said {mood}").format(mood=mood_name(verdict.label, _))
    return f"{EMOJI[mood]} {mood_name(mood, _)} ✏️ {said} · {verdict.probability:.0%}"


def mood_name(mood: str, _: Translate) -> str:
    """What people call it."""
    return {"positive": _("positive"), "negative": _("negative"), "neutral": _("neutral")}[mood]


def in_their_language(text: Mapping[Language, str], _: Translate) -> str:
    """What the operator wrote, for a reader whose catalogue translates `en` by its own name."""
    return said(text, _("en"))


def label_line(label: Mapping[Language, str], probability: float, _: Translate) -> str:
    """`🤬 toxic · 97%`"""
    return f"{in_their_language(label, _)} · {probability:.0%}"


def shortened_line(_: Translate) -> str:
    """What stands below an answer about a part of a text."""
    return _("✂️ This was too long for me: I read its beginning and its end.")


def queued_line(queued: Queued, _: Translate) -> str:
    """What a waiting person sees."""
    if queued.estimate_s < 1:
        return _("⏳ place {place} in the queue").format(place=queued.place)
    seconds = round(queued.estimate_s)
    return _("⏳ place {place} in the queue, about {seconds} s").format(place=queued.place, seconds=seconds)


def failure_line(finish: Finish, _: Translate) -> str:
    """What stands where an answer could not be written."""
    match finish.reason:
        case "too_long":
            return _("⚠️ This is too long for me. Please send a shorter message, or start anew with /new.")
        case "overloaded":
            return _("⚠️ Too many people are asking right now. Please try again in a minute.")
        case _:
            return _("⚠️ Something went wrong on my side. Please send your message again.")


def admins_only_line(_: Translate) -> str:
    """What somebody reads who does not administer the group."""
    return _("This is for the admins of this group.")


def gone_line(task: str, _: Translate) -> str:
    """What stands where a task was begun that the configuration has no more."""
    return _("⚠️ I do not know /{name} any more.").format(name=task)


def interrupted_line(_: Translate) -> str:
    """What stands where an answer was interrupted for good."""
    return _("⚠️ I was interrupted several times over this message. Please send it again.")
