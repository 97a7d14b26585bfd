"""Nothing that people read is left untranslated, in any language."""

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir

import bot
from bot.locales import LANGUAGES, catalogue, language_of, translation

CODE = Path(bot.__file__).parent
OTHERS = [language for language in LANGUAGES if language != "en"]


def extracted():
    """Every message that the code hands to gettext; the command line has a catalogue of its own."""
    messages = extract_from_dir(CODE, method_map=[("cli/**.py", "ignore"), ("**.py", "python")])
    return {message for _, _, message, _, _ in messages}


@pytest.mark.parametrize("language", OTHERS)
def test_every_message_is_translated_and_no_translation_is_left_over(language):
    translated = {message.id for message in catalogue(language) if message.id and message.string}
    assert extracted() - translated == set()
    assert translated - extracted() == set()


@pytest.mark.parametrize("language", OTHERS)
def test_translations_keep_the_places_of_values_and_commands(language):
    for message in catalogue(language):
        for pattern in (r"\{[^}]*\}", r"(?<!\w)/[a-z]+"):
            assert sorted(re.findall(pattern, message.id)) == sorted(re.findall(pattern, message.string))


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("zh-hans", "zh_CN"),
        ("zh", "zh_CN"),
        ("ZH-TW", "zh_CN"),
        ("en-GB", "en"),
        ("de", "en"),
        (None, "en"),
        ("", "en"),
    ],
)
def test_the_language_follows_telegrams_code(code, language):
    assert language_of(code) == language


def test_a_translation_is_found():
    assert translation("zh_CN").gettext("positive") == "正面"
    assert translation("en").gettext("positive") == "positive"
