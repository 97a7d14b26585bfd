"""The command line in Chinese: nothing that it may say is left untranslated, and no translation is left over."""

import re
from inspect import cleandoc

import pytest
from babel.messages.extract import extract_from_dir
from typer import Context, rich_utils
from typer.core import TyperGroup
from typer.main import get_command

from bot.bench.figures import FIGURES
from bot.bench.processes import EngineFailed
from bot.bench.report import ROWS
from bot.cli import app
from bot.cli.language import TITLES
from bot.cli.probes import network  # noqa: F401  # all errors are known below when their modules are imported
from bot.config import ConfigError
from bot.engine.backend import BackendUnusable
from bot.engine.native.library import NotCompiled
from bot.evaluation.rows import DataError
from bot.history.errors import _REASONS, DatabaseError
from bot.locales import LANGUAGES, catalogue
from bot.locales.terminal import _pattern, language_from, sentence
from bot.model import gguf, hub, wheels  # noqa: F401
from bot.model.catalogue import CATALOGUE
from bot.model.files import WeightsError
from bot.sandbox.server import SandboxError
from bot.transport.errors import TokenRejected

from .forms import CODE, VALUE, everything, sentences

OTHERS = [language for language in LANGUAGES if language != "en"]
EXPLAINED = (
    *(BackendUnusable, ConfigError, DatabaseError, DataError, EngineFailed, NotCompiled),
    *(SandboxError, TokenRejected, WeightsError),
)
ENGLISH = re.compile(r"(?<![\w.`-])[a-z']+ [a-z']+ [a-z']+")
"""Three plain words in a row."""
NAMES = (
    *("CPU", "Telegram", "webhook", "telegram.proxy"),
    *(f"native: {VALUE}", f"the database {VALUE} {VALUE}", f"{VALUE}: {VALUE}; sha256 {VALUE}…"),
)
"""The same in every language, or put together from others."""


def below(error: type[Exception]) -> set[str]:
    return {error.__name__}.union(*map(below, error.__subclasses__()))


def spoken() -> list[str]:
    """Finished sentences that a command may show."""
    errors = set().union(*map(below, EXPLAINED))
    joined = {f"the database {VALUE} {reason}" for reason in _REASONS.values()}
    joined |= {f"{VALUE} from {source}" for source in ("telegram.proxy", f"the variable {VALUE}")}
    models = {text for entry in CATALOGUE.values() for text in (entry.languages, entry.origin)}
    figures = {figure.__name__.replace("_", " ") for figure in FIGURES} | {label for label, _, _ in ROWS}
    return sorted(sentences(errors) | joined | models | figures)


def shown_by_help() -> set[str]:
    """All help texts, and Typer's words around them."""

    def of(command) -> set[str]:
        context = Context(command)
        options = (*command.params, command.get_help_option(context))
        own = {cleandoc(command.help or ""), command.options_metavar}
        texts = own | {option.help for option in options if getattr(option, "help", None)}
        return texts.union(*map(of, command.commands.values())) if isinstance(command, TyperGroup) else texts

    return of(get_command(app)) | {getattr(rich_utils, title) for title in TITLES} | {"Usage:"}


def extracted() -> set[str]:
    """What the command line hands to gettext."""
    return {text for _, _, text, _, _ in extract_from_dir(CODE / "cli", method_map=[("**.py", "python")])}


@pytest.mark.parametrize("language", OTHERS)
def test_all_help_and_all_that_commands_print_is_translated(language: str) -> None:
    translated = {message.id for message in catalogue(language, "cli") if message.id and message.string}
    assert (shown_by_help() | extracted()) - translated == set()


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_of_another_part_is_translated(language: str) -> None:
    found = {text: sentence(text, language) for text in spoken() if text not in NAMES}
    assert [text for text, translated in found.items() if translated == text] == []
    assert [text for text in found.values() if ENGLISH.search(re.sub("`.*?`", "", text))] == []


@pytest.mark.parametrize("language", OTHERS)
def test_no_translation_is_left_over(language: str) -> None:
    known, said = shown_by_help() | extracted(), everything() + "\n".join(spoken())
    left = {
        message.id
        for message in catalogue(language, "cli")
        if message.id
        and message.id not in known
        and "library" not in message.auto_comments
        and not _pattern(message.id).search(said)
    }
    assert left == set()


@pytest.mark.parametrize("language", OTHERS)
def test_translations_keep_the_places_of_values_and_commands(language: str) -> None:
    for message in catalogue(language, "cli"):
        for pattern in (
            r"\{[^}]*\}",
            r"`[^`]*`",
            r"(?<![\w<.])--?[a-z]+",
            r"[a-z]+\.[a-z_]+",
            r"[A-Z]+_[A-Z_]+",
        ):
            places = re.findall(pattern, message.id)
            assert not message.id or set(re.findall(pattern, message.string)) == set(places), message.id


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_TW"}, "zh_CN"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "fr:en_GB:zh"}, "en"),
        ({"LANGUAGE": "zh_CN"}, "zh_CN"),
        ({"LC_ALL": "POSIX", "LANGUAGE": "zh_CN"}, "en"),
    ],
)
def test_the_language_is_found_as_gettext_finds_it(environment: dict[str, str], language: str) -> None:
    assert language_from(environment) == language


def test_what_somebody_named_stays_as_it_is() -> None:
    assert sentence("there is no backup at model", "zh_CN") == "model 处没有备份"
    assert (
        sentence("nothing like this is in the catalogue", "zh_CN") == "nothing like this is in the catalogue"
    )
    assert sentence("an\nunknown: thing", "zh_CN") == "an\nunknown: thing"


def test_sentences_within_sentences_are_translated() -> None:
    told = (
        "the database a.sqlite3 is locked by another process; stop that process or wait for it (SQLITE_BUSY)"
    )
    assert (
        sentence(told, "zh_CN")
        == "数据库 a.sqlite3 被另一个进程锁定；请结束那个进程，或等它完成（SQLITE_BUSY）"
    )
