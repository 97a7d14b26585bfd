"""Config: config.toml, then TANDEM_ environment variables, then defaults; checked as a whole at start.

Knows the names, types and ranges of all settings, and nothing of the parts that use them.
`config.example.toml` explains every value; a test keeps the two equal.
"""

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from bot.definitions import Classification, Generation, Name, Task, explain, with_built_in
from bot.personas import BUILT_IN, Persona, PersonaName, explain_persona

ENV_PREFIX = "TANDEM_"
CONFIG_FILE_VARIABLE = "TANDEM_CONFIG"
DEFAULT_FILE = Path("config.toml")
SQLITE = "sqlite+aiosqlite:///"
POSTGRESQL = "postgresql+asyncpg://"


def cache_home() -> Path:
    """The user's cache folder (XDG Base Directory specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tandem"


def data_home() -> Path:
    """The user's data folder (XDG Base Directory specification)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "tandem"


class ConfigError(Exception):
    """A setting is wrong. The message names the key, the value and what is allowed."""


class Section(BaseModel):
    """A table of the configuration file: unknown keys are errors, values are fixed after start."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _split(value: object) -> object:
    """`1, 2` in the environment is what `[1, 2]` is in the file."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Ids = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_split)]
"""Ids of people (above 0) or groups (below 0)."""

Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Texts without commas."""


class Telegram(Section):
    """How Telegram is reached, and who administers the bot."""

    token: SecretStr = SecretStr("")
    token_file: Path | None = None
    base_url: str = "https://api.telegram.org/bot"
    proxy: SecretStr = SecretStr("")
    admins: Ids = ()
    answer_within_hours: float = Field(12, ge=0)
    inline: bool = False

    @field_validator("token_file", mode="before")
    @classmethod
    def no_file(cls, value: object) -> object:
        """TOML has no word for nothing."""
        return value or None

    @field_validator("token", "proxy")
    @classmethod
    def strip(cls, value: SecretStr) -> SecretStr:
        """What was pasted may end in a line break, but what has one inside becomes part of no URL."""
        stripped = value.get_secret_value().strip()
        if any(char.isspace() for char in stripped):
            raise ValueError("must not contain spaces or line breaks")
        return SecretStr(stripped)

    @field_validator("base_url")
    @classmethod
    def check_base_url(cls, value: str) -> str:
        """The client appends the token to it."""
        if not value.startswith(("https://", "http://")) or not value.endswith("/bot"):
            raise ValueError("must be a URL that ends in /bot, like https://api.telegram.org/bot")
        return value

    @field_validator("proxy")
    @classmethod
    def check_proxy(cls, value: SecretStr) -> SecretStr:
        """An unusable proxy is refused at start, without showing its credentials."""
        scheme = value.get_secret_value().partition("://")[0].lower()
        if value.get_secret_value() and scheme not in {"http", "https", "socks5", "socks5h"}:
            raise ValueError("must start with http://, https://, socks5:// or socks5h://")
        return value

    @model_validator(mode="after")
    def read_token_file(self) -> Self:
        """A token file stands for the token; the token itself never needs to be in the configuration."""
        if self.token_file is None:
            return self
        if self.token.get_secret_value():
            raise ValueError("give either telegram.token or telegram.token_file, not both")
        file = self.token_file.expanduser()
        try:
            words = file.read_text(encoding="utf-8-sig").split()
        except OSError as error:
            raise ValueError(
                f"telegram.token_file = {str(file)!r}: cannot be read: {error.strerror}"
            ) from None
        except UnicodeDecodeError:
            words = []
        if len(words) != 1:
            raise ValueError(f"telegram.token_file = {str(file)!r}: must hold the token and nothing else")
        return self.model_copy(update={"token": SecretStr(words[0]), "token_file": None})


class Access(Section):
    """Who may use the bot, and how much. 0 is no limit."""

    mode: Literal["open", "list", "invite"] = "open"
    users: Ids = ()
    groups: Ids = ()
    turns_per_day: int = Field(500, ge=0)
    group_turns_per_day: int = Field(2000, ge=0)
    messages_per_minute: int = Field(30, ge=0)


class ModelSettings(Section):
    """Which model answers, and what it may use of this machine."""

    name: str = Field("qwen2.5-coder-0.5b-instruct", min_length=1)
    dir: Path = Field(default_factory=lambda: cache_home() / "models")
    engine: Literal["local", "reference"] = "local"
    weights: Literal["auto", "native", "int8", "int8-bf16", "bf16", "fp32"] = "auto"
    threads: int = Field(0, ge=0, le=256)
    context: int = Field(4096, ge=256, le=131072)
    running: int = Field(8, ge=1, le=64)
    waiting: int = Field(64, ge=1, le=10000)
    memory_mb: int = Field(512, ge=32, le=1_000_000)
    results: int = Field(1000, ge=1, le=1_000_000)
    results_hours: float = Field(24, gt=0, le=8760)

    @field_validator("dir")
    @classmethod
    def expand(cls, value: Path) -> Path:
        return value.expanduser()


class Chat(Section):
    """How answers are made."""

    system_prompt: str = Field("你是一个乐于助人且富有同理心的AI助手。", min_length=1)
    max_new_tokens: int = Field(128, ge=1, le=8192)
    temperature: float = Field(0.7, ge=0, le=2)
    top_p: float = Field(0.8, gt=0, le=1)
    top_k: int = Field(20, ge=0)
    repetition_penalty: float = Field(1.1, ge=1, le=2)
    history_tokens: int = Field(1024, ge=0, le=131072)
    group_history: Literal["user", "chat"] = "user"
    greetings: Words = ("hi", "hello", "hey", "你好", "您好", "嗨", "在吗", "早上好", "晚上好")


class Sentiment(Section):
    """How the mood of a message is asked for."""

    prompt: str = Field(
        "你是一个冷酷的情感分析师。判断用户文本的情感，只能回答“正面”或“负面”，不得输出任何其他内容。",
        min_length=1,
    )
    positive: str = Field("正面", min_length=1)
    negative: str = Field("负面", min_length=1)

    @model_validator(mode="after")
    def check_labels(self) -> Self:
        if self.positive == self.negative:
            raise ValueError("sentiment.positive and sentiment.negative must be different words")
        return self


class Database(Section):
    """Where the history is kept: SQLite by default, PostgreSQL by URL."""

    url: str = Field(default_factory=lambda: f"{SQLITE}{data_home() / 'tandem.sqlite3'}", repr=False)
    low_disk_mb: int = Field(500, ge=0)
    keep_days: int = Field(365, ge=0, le=36500)

    @field_validator("url")
    @classmethod
    def check_driver(cls, value: str) -> str:
        """Only asynchronous drivers work here."""
        if not value.startswith((SQLITE, POSTGRESQL)):
            raise ValueError(f"must start with {SQLITE} or {POSTGRESQL}")
        if value.startswith(f"{SQLITE}~"):
            return f"{SQLITE}{Path(value.removeprefix(SQLITE)).expanduser()}"
        return value

    @property
    def file(self) -> Path | None:
        """The SQLite file; None for a server."""
        return Path(self.url.removeprefix(SQLITE)) if self.url.startswith(SQLITE) else None


class Log(Section):
    """What is told about the work. Message texts and secrets never are."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("level", mode="before")
    @classmethod
    def capitalise(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value


class Config(BaseSettings):
    """All settings of one bot process."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        validate_default=True,
    )

    telegram: Telegram = Field(default_factory=Telegram)
    access: Access = Field(default_factory=Access)
    model: ModelSettings = Field(default_factory=ModelSettings)
    chat: Chat = Field(default_factory=Chat)
    personas: dict[PersonaName, Persona] = Field(default_factory=lambda: dict(BUILT_IN))
    sentiment: Sentiment = Field(default_factory=Sentiment)
    tasks: dict[Name, Task] = Field(default_factory=dict)
    database: Database = Field(default_factory=Database)
    log: Log = Field(default_factory=Log)

    @field_validator("tasks", mode="before")
    @classmethod
    def add_built_in(cls, value: object) -> object:
        """What the bot brings is there without a word."""
        return with_built_in(value)

    @field_validator("personas", mode="before")
    @classmethod
    def fill(cls, value: object) -> object:
        """An empty table is as good as none."""
        return value or dict(BUILT_IN)

    @model_validator(mode="after")
    def check_room(self) -> Self:
        """A prompt and its answer share the context."""
        for name, task in self.tasks.items():
            if isinstance(task, Generation) and task.max_new_tokens >= self.model.context:
                raise ValueError(
                    f"tasks.{name}.max_new_tokens = {task.max_new_tokens}: "
                    f"must be less than model.context = {self.model.context}"
                )
        needed = self.chat.history_tokens + self.chat.max_new_tokens
        if needed >= self.model.context:
            raise ValueError(
                f"chat.history_tokens + chat.max_new_tokens = {needed}: "
                f"must be less than model.context = {self.model.context}"
            )
        return self

    @property
    def enabled_tasks(self) -> dict[str, Classification | Generation]:
        """Those that are not switched off, by name."""
        return {name: task for name, task in self.tasks.items() if task.enabled}

    @property
    def heartbeat_file(self) -> Path:
        """What a running bot touches, so that `check --quick` can tell: one for each database."""
        return (self.database.file or data_home() / "tandem").with_suffix(".heartbeat")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, which `load` passes as arguments."""
        return env_settings, init_settings


def load(path: Path | None = None) -> Config:
    """Read the configuration file, if there is one, and the environment.

    Raises ConfigError; its message is for the person who starts the bot.
    """
    variables = _variables()
    variable = variables.pop(CONFIG_FILE_VARIABLE, "")
    known = set(_known_variables())
    _check_tasks(variables)
    for unknown in sorted(name for name in variables.keys() - known if not _TASK.fullmatch(name)):
        close = get_close_matches(unknown, known, n=1, cutoff=0.85)
        hint = f"did you mean {close[0]}?" if close else "see config.example.toml for the names"
        raise ConfigError(f"unknown environment variable {unknown}: {hint}")
    try:
        return Config(**_read(path or (Path(variable) if variable else None)))
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(error))) from None


def _read(named: Path | None) -> dict[str, Any]:
    path = named or DEFAULT_FILE
    if named is None and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"the configuration file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the configuration file {path} is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the configuration file {path} is not valid TOML: {error}") from None


def _variables() -> dict[str, str]:
    """Ours, in capitals: like pydantic-settings, we take them however they are written."""
    ours = ((name.upper(), value) for name, value in os.environ.items())
    return {name: value for name, value in ours if name.startswith(ENV_PREFIX)}


_TASK = re.compile(rf"{ENV_PREFIX}TASKS__\w+?__(\w+)")
_STRUCTURED = ("DESCRIPTION", "LABELS", "EXAMPLES")


def _check_tasks(variables: Mapping[str, str]) -> None:
    """What is a table or a list in the file is JSON in a variable."""
    for name, value in variables.items():
        task = _TASK.fullmatch(name)
        if task and value and task[1] in _STRUCTURED:
            try:
                json.loads(value)
            except ValueError:
                raise ConfigError(f'{name}: must be JSON, such as ["text"] or {{"en": "text"}}') from None


def _known_variables() -> Iterator[str]:
    for section in Config.model_fields:
        yield from (f"{ENV_PREFIX}{section}__{key}".upper() for key in _keys(section))


def _keys(section: str) -> Mapping[str, FieldInfo]:
    """The fields of a section; none where there is no such section."""
    field = Config.model_fields.get(section)
    kind = field.annotation if field else None
    return kind.model_fields if isinstance(kind, type) and issubclass(kind, Section) else {}


def _explain(error: ValidationError) -> Iterator[str]:
    """One line per problem: key, value (never a secret's), what is allowed."""
    for problem in error.errors(include_url=False):
        if problem["loc"][:1] == ("tasks",) and len(problem["loc"]) > 1:
            yield _plain(explain(problem))
            continue
        if problem["loc"][:1] == ("personas",):
            yield _plain(explain_persona(problem))
            continue
        section, key, *_ = (*map(str, problem["loc"]), "", "")
        message = _plain(problem["msg"])
        name = f"{section}.{key}" if key else section
        if problem["type"] == "extra_forbidden":
            yield f"{name}: unknown key; {_allowed(section)}"
        elif problem["type"] in ("model_type", "model_attributes_type"):
            yield f"{name}: must be a table, [{name}]"
        elif not key:
            yield message  # of several keys, which it names
        elif _is_secret(_keys(section)[key]):
            yield f"{name}: {message}"
        else:
            yield f"{name} = {problem['input']!r}: {message}"


def _plain(message: str) -> str:
    """pydantic's words, for people who set up a bot."""
    for words, plainer in (
        ("Value error, ", ""),
        ("Input ", ""),
        ("String ", ""),
        ("should ", "must "),
        ("tuple", "list"),
    ):
        message = message.replace(words, plainer)
    return message


def _allowed(section: str) -> str:
    if keys := _keys(section):
        return f"[{section}] has {', '.join(keys)}"
    return f"the sections are {', '.join(Config.model_fields)}"


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or not field.repr
