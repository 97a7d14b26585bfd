"""Which language a terminal reads, and finished sentences in it. Knows no command.

Most of what the command line shows was worded by parts that know no language (the model's, the database's) or by
libraries. Their sentences are translated where they are shown: an entry of the catalogue is a form whose {places}
fit any words.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from string import Formatter

from bot.locales import catalogue, language_of

OURS = {
    *(
        "advice",
        "allowed",
        "choices",
        "error",
        "hint",
        "kind",
        "kinds",
        "limits",
        "memory",
        "message",
        "origin",
    ),
    *("others", "problem", "reason", "reasons", "room", "setting", "source"),
}
"""Places where words of the program stand. What stands in others is somebody's, and stays as it is."""

_LOCALES = ("LC_ALL", "LC_MESSAGES", "LANG")
_NO_LANGUAGE = ("C", "POSIX")


def language_from(environment: Mapping[str, str]) -> str:
    """One of LANGUAGES, as gettext(3) finds it: LANGUAGE is a list by preference, which the locale C overrules."""
    locale = next((value for name in _LOCALES if (value := environment.get(name))), "")
    if locale in _NO_LANGUAGE:
        return "en"
    preferred = (environment.get("LANGUAGE") or locale).split(":")
    known = (tag for tag in preferred if tag.lower().startswith(("en", "zh")))
    return language_of(next(known, None))


def sentence(text: str, language: str) -> str:
    """Finished English sentences, one to a line, in `language`; unchanged where nothing fits."""
    return "\n".join(_line(line, language) for line in text.split("\n"))


def _line(text: str, language: str) -> str:
    if (plain := _plain(language).get(text)) is not None:
        return plain
    for form, translated, tells in _forms(language):
        if found := form.fullmatch(text):
            given = found.groupdict()
            values = {
                name: _line(value, language) if name in OURS else value for name, value in given.items()
            }
            if tells or values != given:
                return translated.format(**values)
    return text


@cache
def _plain(language: str) -> Mapping[str, str]:
    """What has no places."""
    return {_words(text): _words(other) for text, other in _entries(language) if not _places(text)}


@cache
def _forms(language: str) -> list[tuple[re.Pattern[str], str, bool]]:
    """What has places, the most telling first: pattern, translation, and whether it has a word of its own."""
    listed = sorted(_entries(language), key=lambda entry: -len(_words(entry[0])))
    return [
        (_pattern(text), other, bool(re.search(r"[^\W\d_]", _words(text))))
        for text, other in listed
        if _places(text)
    ]


def _entries(language: str) -> Iterator[tuple[str, str]]:
    """Texts and forms. Others are for gettext: their values are put in after they are translated."""
    for message in catalogue(language, "cli") or ():
        text, other = str(message.id), str(message.string)
        if text and other and not re.search(r"(?<!{){(?!{|\w+})", text):
            yield text, other


def _pattern(text: str) -> re.Pattern[str]:
    """The form as an expression, a group for each place. Two sentences stand only in a place of our own words."""
    parts = (
        re.escape(words)
        + (f"(?P<{place}>{'.*?' if place in OURS else '(?:(?!; ).)*?'})" if place is not None else "")
        for words, place, _, _ in Formatter().parse(text)
    )
    return re.compile("".join(parts))


def _places(text: str) -> bool:
    return any(place is not None for _, place, _, _ in Formatter().parse(text))


def _words(text: str) -> str:
    """Without what stands in the places, and with single braces."""
    return "".join(words for words, _, _, _ in Formatter().parse(text))
