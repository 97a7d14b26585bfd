"""Config: config.toml, then TANDEM_ environment variables, then defaults; checked as a whole at start.

Knows the names, types and ranges of all settings, and nothing of the parts that use them.
`config.example.toml` explains every value; a test keeps the two equal.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

ENV_PREFIX = "TANDEM_"
CONFIG_FILE_VARIABLE = "TANDEM_CONFIG"
DEFAULT_FILE = Path("config.toml")


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


class Telegram(Section):
    """How Telegram is reached, and who administers the bot."""

    token: SecretStr = SecretStr("")
    token_file: Path | None = None
    base_url: str = Field("https://api.telegram.org/bot", pattern=r"^https?://.+/bot$")
    proxy: SecretStr = SecretStr("")
    admins: Annotated[tuple[int, ...], NoDecode] = ()

    @field_validator("admins", mode="before")
    @classmethod
    def split_ids(cls, value: object) -> object:
        """`1, 2` in the environment is what `[1, 2]` is in the file."""
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
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
        try:
            token = self.token_file.expanduser().read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(f"telegram.token_file cannot be read: {error}") from None
        return self.model_copy(update={"token": SecretStr(token), "token_file": None})


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


class Sentiment(Section):
    """How the mood of a message is asked for."""

    prompt: str = Field(
        "你是一个冷酷的情感分析师。判断用户文本的情感，只能回答“正面”或“负面”，不得输出任何其他内容。",
        min_length=1,
    )
    positive: str = Field("正面", min_length=1)
    negative: str = Field("负面", min_length=1)


class Database(Section):
    """Where the history is kept: SQLite by default, PostgreSQL by URL."""

    url: str = Field(default_factory=lambda: f"sqlite+aiosqlite:///{data_home() / 'tandem.sqlite3'}")

    @field_validator("url")
    @classmethod
    def check_driver(cls, value: str) -> str:
        """Only asynchronous drivers work here."""
        if not value.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://")):
            raise ValueError("must start with sqlite+aiosqlite:/// or postgresql+asyncpg://")
        return value


class Log(Section):
    """What is told about the work. Message texts and secrets never are."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Config(BaseSettings):
    """All settings of one bot process."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    telegram: Telegram = Telegram()
    model: ModelSettings = ModelSettings()
    chat: Chat = Chat()
    sentiment: Sentiment = Sentiment()
    database: Database = Database()
    log: Log = Log()

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
    named = path or (Path(os.environ[CONFIG_FILE_VARIABLE]) if CONFIG_FILE_VARIABLE in os.environ else None)
    if unknown := sorted(set(_variables()) - set(_known_variables())):
        raise ConfigError(f"unknown environment variable {unknown[0]}: see config.example.toml for the names")
    try:
        return Config(**_read(named))
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(error))) from None


def _read(named: Path | None) -> dict[str, Any]:
    path = named or DEFAULT_FILE
    if named is None and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration file {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the configuration file {path} is not valid TOML: {error}") from None


def _variables() -> Iterator[str]:
    return (name for name in os.environ if name.startswith(ENV_PREFIX) and name != CONFIG_FILE_VARIABLE)


def _known_variables() -> Iterator[str]:
    for section, field in Config.model_fields.items():
        yield f"{ENV_PREFIX}{section.upper()}"
        for key in _fields(field.annotation):
            yield f"{ENV_PREFIX}{section.upper()}__{key.upper()}"


def _fields(annotation: object) -> Mapping[str, object]:
    return annotation.model_fields if isinstance(annotation, type) and issubclass(annotation, Section) else {}


def _explain(error: ValidationError) -> Iterator[str]:
    """One line per problem: key, value (never a secret's), what is allowed."""
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"]) or "configuration"
        if problem["type"] == "extra_forbidden":
            yield f"{key}: unknown key; {_allowed(problem['loc'])}"
        elif _is_secret(problem["loc"]) or isinstance(problem["input"], dict | BaseModel):
            yield f"{key}: {problem['msg']}"
        else:
            yield f"{key} = {problem['input']!r}: {problem['msg']}"


def _allowed(loc: tuple[int | str, ...]) -> str:
    field = Config.model_fields.get(str(loc[0]))
    if len(loc) == 1 or field is None:
        return f"the sections are {', '.join(Config.model_fields)}"
    return f"[{loc[0]}] has {', '.join(_fields(field.annotation))}"


def _is_secret(loc: tuple[int | str, ...]) -> bool:
    field = Config.model_fields.get(str(loc[0])) if loc else None
    keys = _fields(field.annotation) if field is not None else {}
    key = keys.get(str(loc[1])) if len(loc) > 1 else None
    annotation = getattr(key, "annotation", None)
    return annotation is SecretStr or SecretStr in get_args(annotation)
