"""The configuration as an operator meets it: a file, variables, and one line for each mistake."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from bot.config import Config, ConfigError, load

EXAMPLE = Path(__file__).parents[1] / "config.example.toml"
SETTINGS, _, TASKS = EXAMPLE.read_text(encoding="utf-8").partition("# Tasks: ")
UNCOMMENTED = re.sub(r"^#(?=\w+ = )", "", SETTINGS, flags=re.MULTILINE)
SECRET = "hunter2"

Refusal = Callable[[str], str]


pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def refusal(home: Path) -> Refusal:
    """What is said about a config.toml with this text."""

    def of(text: str) -> str:
        (home / "config.toml").write_text(text, encoding="utf-8")
        return refused()

    return of


def refused(path: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value)


def shown(config: Config) -> dict[str, dict[str, Any]]:
    """Section → key → value, in the types of TOML and with secrets in the open."""

    def plain(value: object) -> object:
        match value:
            case SecretStr():
                return value.get_secret_value()
            case tuple():
                return list(value)
            case Path():
                return str(value)
            case BaseModel():
                return value.model_dump()
        return value

    # A section is a model, or a table whose keys have no fixed names; of tasks see tests/test_definitions.py.
    sections = {name: section for name, section in config if name != "tasks"}
    keys = {name: part.items() if isinstance(part, dict) else part for name, part in sections.items()}
    return {name: {key: plain(value) for key, value in items} for name, items in keys.items()}


def another(section: str, key: str, default: object) -> object:
    """A valid value that is not the default."""
    match f"{section}.{key}":
        case "telegram.base_url":
            return "http://127.0.0.1:1/bot"
        case "telegram.proxy":
            return "socks5://127.0.0.1:1"
        case "telegram.admins" | "access.users" | "access.groups":
            return [12345678, -23456789]
        case "chat.group_history":
            return "chat"
        case "chat.greetings":
            return ["hi", "你好"]
        case "access.mode":
            return "invite"
        case "model.dir":
            return "models"
        case "model.engine":
            return "reference"
        case "model.weights":
            return "fp32"
        case "database.url":
            return "sqlite+aiosqlite:///other.sqlite3"
        case "log.level":
            return "DEBUG"
    if isinstance(default, float):
        return default + 0.05
    return default + 1 if isinstance(default, int) else f"{default}x"


EXAMPLES = [
    (section, key, value)
    for section, keys in tomllib.loads(UNCOMMENTED).items()
    for key, value in keys.items()
    if key != "token_file"  # it becomes the token
    and section != "personas"  # a persona comes from the file alone
]


def test_without_a_file_the_defaults_hold(home: Path) -> None:
    config = load()
    assert config.model.name == "qwen2.5-coder-0.5b-instruct"
    assert config.model.dir == home / ".cache" / "tandem" / "models"
    assert config.database.file == home / ".local" / "share" / "tandem" / "tandem.sqlite3"
    assert config.telegram.token.get_secret_value() == ""


def test_the_example_as_it_is_changes_nothing(home: Path) -> None:
    assert load(EXAMPLE) == load()


def test_the_example_tells_every_key_and_its_default(home: Path) -> None:
    told, defaults = tomllib.loads(UNCOMMENTED), shown(load())
    assert {section: set(keys) for section, keys in told.items()} == {
        section: set(keys) for section, keys in defaults.items()
    }
    (home / "config.toml").write_text(UNCOMMENTED, encoding="utf-8")
    assert shown(load()) == defaults


@pytest.mark.parametrize(("section", "key", "default"), EXAMPLES, ids=lambda value: str(value)[:16])
def test_every_value_comes_from_the_file_or_the_environment(
    section: str, key: str, default: object, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = another(section, key, default)
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str | list) else str(value)
    (home / "config.toml").write_text(f"[{section}]\n{key} = {text}\n", encoding="utf-8")
    from_file = shown(load())
    assert from_file[section][key] == value
    (home / "config.toml").unlink()
    variable = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    monkeypatch.setenv(f"TANDEM_{section}__{key}".upper(), variable)
    assert shown(load()) == from_file


def test_the_environment_wins_over_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "config.toml").write_text("[chat]\ntop_k = 5\nmax_new_tokens = 7\n")
    monkeypatch.setenv("TANDEM_CHAT__TOP_K", "6")
    assert (load().chat.top_k, load().chat.max_new_tokens) == (6, 7)


def test_an_empty_variable_counts_as_not_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "TELEGRAM__TOKEN", "TELEGRAM__TOKEN_FILE", "MODEL__CONTEXT"):
        monkeypatch.setenv(f"TANDEM_{name}", "")
    assert load().model.context == 4096


def test_variables_may_be_written_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("tandem_chat__top_k", "6")
    assert load().chat.top_k == 6
    monkeypatch.setenv("tandem_chat__topk", "6")
    assert refused() == "unknown environment variable TANDEM_CHAT__TOPK: did you mean TANDEM_CHAT__TOP_K?"


@pytest.mark.parametrize("name", ["TANDEM_X", "TANDEM_TELEGRAM", "TANDEM_MODEL__NAME__X", "TANDEM_NO__SUCH"])
def test_an_unknown_variable_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, SECRET)
    assert refused().startswith(f"unknown environment variable {name}: ")
    assert SECRET not in refused()


def test_a_file_by_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "config.toml").write_text("[chat]\ntop_k = 5\n")
    # Editors on Windows put a mark in front of UTF-8.
    (home / "other.toml").write_text("[chat]\ntop_k = 6\n", encoding="utf-8-sig")
    monkeypatch.setenv("TANDEM_CONFIG", "other.toml")
    assert load().chat.top_k == 6
    assert load(home / "config.toml").chat.top_k == 5


def test_a_file_that_cannot_be_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_CONFIG", "nowhere.toml")
    assert refused() == "the configuration file nowhere.toml cannot be read: No such file or directory"
    assert refused(home) == f"the configuration file {home} cannot be read: Is a directory"
    (home / "latin.toml").write_bytes("[chat]\nsystem_prompt = 'é'".encode("latin-1"))
    assert refused(home / "latin.toml").endswith("is not UTF-8 text")


def test_a_file_that_is_not_toml(refusal: Refusal) -> None:
    assert "config.toml is not valid TOML" in refusal("[chat]\ntop_k = = 5")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[chat]\ntopk = 5", "chat.topk: unknown key; [chat] has system_prompt, max_new_tokens, "),
        ("[chats]\ntop_k = 5", "chats: unknown key; the sections are telegram, access, model, chat, "),
        ("top_k = 5", "top_k: unknown key; the sections are "),
        ("chat = 5", "chat: must be a table, [chat]"),
        ("[chat]\ntop_k = 'many'", "chat.top_k = 'many': must be a valid integer"),
        ("[chat]\ntop_k = 1.5", "chat.top_k = 1.5: must be a valid integer"),
        ("[chat]\ntemperature = 3", "chat.temperature = 3: must be less than or equal to 2"),
        ("[chat]\ntemperature = nan", "chat.temperature = nan: must be "),
        ("[chat]\nsystem_prompt = ''", "chat.system_prompt = '': must have at least 1 character"),
        ("[model]\ncontext = 10", "model.context = 10: must be greater than or equal to 256"),
        ("[model]\nengine = 'gpu'", "model.engine = 'gpu': must be 'local' or 'reference'"),
        ("[model]\ndir = 5", "model.dir = 5: is not a valid path"),
        ("personas = 5", "personas: must be a table, [personas]"),
        ("personas.x = 5", "personas.x: must be a table, { title = …, system_prompt = … }"),
        (
            "[personas]\nX = { title = 'X', system_prompt = 'x' }",
            "personas.X: must be a short name: up to 24 of a–z, 0–9, _ and -",
        ),
        (
            "[personas]\ndefault = { title = 'X', system_prompt = 'x' }",
            "personas.default: is what [chat] system_prompt makes",
        ),
        ("[personas]\nx = { title = 'X' }", "personas.x.system_prompt: a persona needs it"),
        (
            "[personas]\nx = { title = 'X', system_prompt = '' }",
            "personas.x.system_prompt = '': must have at least 1 character",
        ),
        (
            "[personas]\nx = { title = 'X', prompt = 'x', system_prompt = 'x' }",
            "personas.x.prompt: unknown key; a persona has title, system_prompt",
        ),
        (
            "[personas]\nx = { title = { de = 'X' }, system_prompt = 'x' }",
            "personas.x.title = {'de': 'X'}: must be a text, or one for each language",
        ),
        (
            "[personas]\nx = { title = { en = '' }, system_prompt = 'x' }",
            "personas.x.title.en = '': must have at least 1 character",
        ),
        ("[log]\nlevel = 'LOUD'", "log.level = 'LOUD': must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("[telegram]\nadmins = 5", "telegram.admins = 5: must be a valid list"),
        ("[telegram]\nadmins = ['ann']", "telegram.admins = 'ann': must be a valid integer"),
        ("[telegram]\nbase_url = 'api.telegram.org'", "must be a URL that ends in /bot, like https://api.telegram.org/bot"),
        ("[database]\nurl = 'tandem.sqlite3'", "database.url: must start with sqlite+aiosqlite:/// or postgresql"),
        ("[sentiment]\npositive = '负面'", "sentiment.positive and sentiment.negative must be different words"),
        (
            "[model]\ncontext = 1152",
            "chat.history_tokens + chat.max_new_tokens = 1152: must be less than model.context = 1152",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_key_value_and_what_is_allowed(
    text: str, told: str, refusal: Refusal
) -> None:
    assert told in refusal(text)


def test_personas_are_those_of_the_file_and_else_the_built_in_ones(home: Path) -> None:
    assert {"teacher", "coder", "poet"} == load().personas.keys()
    (home / "config.toml").write_text("[personas]\npirate = { title = 'Pirate', system_prompt = 'Arr!' }")
    (pirate,) = load().personas.values()
    assert [pirate.title_in(language) for language in ("en", "zh_CN")] == ["Pirate", "Pirate"]
    (home / "config.toml").write_text("[personas]\npirate = { title.zh = '海盗', system_prompt = 'Arr!' }")
    assert load().personas["pirate"].title_in("en") == "海盗"
    (home / "config.toml").write_text("[personas]")
    assert load() == Config()


def test_every_mistake_has_its_line(refusal: Refusal) -> None:
    lines = refusal("[chat]\ntop_k = -1\ntop_p = 0\n[log]\nlevel = 5").splitlines()
    assert [line.split(" =")[0] for line in lines] == ["chat.top_p", "chat.top_k", "log.level"]


@pytest.mark.parametrize("admins", ["ann", "1,ann"])
def test_admins_are_numbers(admins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_TELEGRAM__ADMINS", admins)
    assert refused().startswith("telegram.admins = 'ann': must be a valid integer")


def test_the_token_may_lie_in_a_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "token").write_bytes(b"\xef\xbb\xbf 123:abc\r\n\n")
    monkeypatch.setenv("TANDEM_TELEGRAM__TOKEN_FILE", "~/token")
    assert load().telegram.token.get_secret_value() == "123:abc"


@pytest.mark.parametrize("content", [b"", b"\n", b"token: 123:abc", b"123:abc\n456:def\n", b"\xff\xfe1\x00"])
def test_a_token_file_holds_one_token(content: bytes, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "token").write_bytes(content)
    monkeypatch.setenv("TANDEM_TELEGRAM__TOKEN_FILE", "token")
    assert refused() == "telegram.token_file = 'token': must hold the token and nothing else"


def test_a_token_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_TELEGRAM__TOKEN_FILE", "nowhere")
    assert refused() == "telegram.token_file = 'nowhere': cannot be read: No such file or directory"


def test_a_token_and_a_token_file_contradict_each_other(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "token").write_text("123:abc")
    monkeypatch.setenv("TANDEM_TELEGRAM__TOKEN_FILE", "token")
    monkeypatch.setenv("TANDEM_TELEGRAM__TOKEN", "456:def")
    assert refused() == "give either telegram.token or telegram.token_file, not both"


def test_a_line_break_behind_a_token_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_TELEGRAM__TOKEN", " 123:abc\n")
    assert load().telegram.token.get_secret_value() == "123:abc"


@pytest.mark.parametrize(
    "text",
    [
        f"[telegram]\ntoken = '123:abc {SECRET}'",
        f"[telegram]\ntoken = ['{SECRET}']",
        f"[telegram]\ntokn = '{SECRET}'",
        f"telegram = '{SECRET}'",
        f"[telegram]\nproxy = 'ftp://ann:{SECRET}@host'",
        f"[telegram]\nproxy = '{SECRET}'",
        f"[database]\nurl = 'postgresql://ann:{SECRET}@host/name'",
        f"[telegram]\ntoken = '{SECRET}'\nadmins = 5",
        f"[telegram]\ntoken = '{SECRET}'\ntoken_file = 'nowhere'",
        f"[telegram]\ntoken = '{SECRET}",
    ],
)
def test_no_error_shows_a_secret(text: str, refusal: Refusal) -> None:
    assert SECRET not in refusal(text)


def test_no_configuration_shows_a_secret(home: Path) -> None:
    (home / "config.toml").write_text(
        f"[telegram]\ntoken = '{SECRET}'\nproxy = 'http://ann:{SECRET}@host'\n"
        f"[database]\nurl = 'postgresql+asyncpg://ann:{SECRET}@host/name'\n"
    )
    config = load()
    assert SECRET in config.database.url
    assert SECRET not in f"{config!r} {config} {config.telegram!r} {config.database!r}"


def test_a_home_folder_may_be_written_short(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_MODEL__DIR", "~/models")
    monkeypatch.setenv("TANDEM_DATABASE__URL", "sqlite+aiosqlite:///~/bot.sqlite3")
    assert load().model.dir == home / "models"
    assert load().database.file == home / "bot.sqlite3"


def test_each_database_has_its_heartbeat(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_DATABASE__URL", "sqlite+aiosqlite:////var/lib/bot.sqlite3")
    assert load().heartbeat_file == Path("/var/lib/bot.heartbeat")
    monkeypatch.setenv("TANDEM_DATABASE__URL", "postgresql+asyncpg://host/name")
    assert load().heartbeat_file == home / ".local" / "share" / "tandem" / "tandem.heartbeat"


def test_the_task_of_the_example_is_one_in_ten_lines(home: Path) -> None:
    example = TASKS[TASKS.index("#[tasks.toxicity]") :]
    assert len(example.splitlines()) <= 10
    (home / "config.toml").write_text(
        re.sub(r"^#(?! [A-Z/])", "", f"# W{TASKS}", flags=re.MULTILINE), encoding="utf-8"
    )
    tasks = load().enabled_tasks
    assert list(tasks) == ["summary", "intent", "toxicity"]
    assert tasks["summary"] == load(EXAMPLE).enabled_tasks["summary"]
