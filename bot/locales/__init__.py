"""The words that people read, in their language. English is in the code, the others in gettext catalogues.

The .po files are the source and are read as they are: nothing has to be compiled before the bot runs.
"""

import gettext
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel.messages import Catalog

FOLDER = Path(__file__).parent
LANGUAGES = ("en", "zh_CN")
NAMES = {"en": "English", "zh_CN": "简体中文"}
"""How languages call themselves."""


def language_of(telegram_code: str | None) -> str:
    """Ours for an IETF tag like `zh-hans` or `en-GB`; English where there is nothing closer."""
    return "zh_CN" if (telegram_code or "").lower().startswith("zh") else "en"


def catalogue(language: str, domain: str = "") -> "Catalog | None":
    """The .po file of one of LANGUAGES: of what is said in chats, or in the `cli`. None for English."""
    from babel.messages.pofile import read_po  # late: an English `--help` does without

    path = FOLDER / domain / f"{language}.po"
    return read_po(BytesIO(path.read_bytes()), locale=language) if path.exists() else None


@cache
def translation(language: str, domain: str = "") -> gettext.NullTranslations:
    """A catalogue ready to use; `.gettext` and `.ngettext` translate."""
    from babel.messages.mofile import write_mo

    source = catalogue(language, domain)
    if source is None:
        return gettext.NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, source)
    return gettext.GNUTranslations(BytesIO(compiled.getvalue()))
