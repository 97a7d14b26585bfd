"""The words that people read, in their language. English is in the code, the others in gettext catalogues.

The .po files are the source and are read as they are: nothing has to be compiled before the bot runs.
"""

import gettext
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent
LANGUAGES = ("en", "zh_CN")
NAMES = {"en": "English", "zh_CN": "简体中文"}
"""How languages call themselves."""


def language_of(telegram_code: str | None) -> str:
    """Ours for an IETF tag like `zh-hans` or `en-GB`; English where there is nothing closer."""
    return "zh_CN" if (telegram_code or "").lower().startswith("zh") else "en"


@cache
def translation(language: str) -> gettext.NullTranslations:
    """The catalogue of one of LANGUAGES; `.gettext` and `.ngettext` translate."""
    path = FOLDER / f"{language}.po"
    if not path.exists():
        return gettext.NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(path.read_bytes()), locale=language))
    return gettext.GNUTranslations(BytesIO(compiled.getvalue()))
