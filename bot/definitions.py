"""Definitions: what else the one model is asked, in words. The [tasks.NAME] tables of the configuration.

Knows which definitions make sense, and those that the bot brings; knows neither the model nor Telegram's calls.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import ErrorDetails

OWN_COMMANDS = frozenset(
    {
        "ask",
        "block",
        "export",
        "forget",
        "help",
        "invite",
        "language",
        "mood",
        "new",
        "persona",
        "privacy",
        "quiet",
        "retry",
        "sentiment",
        "settings",
        "start",
        "stats",
        "stop",
        "unblock",
    }
)
"""The bot's own commands, which no task may be called."""

NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
"""What Telegram takes for a command."""

Language = Literal["en", "zh"]


def _in_every_language(value: object) -> object:
    """One text for everybody may be written without a table."""
    if isinstance(value, str):
        return {"en": value, "zh": value}
    if not isinstance(value, Mapping) or not value or not value.keys() <= {"en", "zh"}:
        raise ValueError("must be a text, or one for each language: { en = …, zh = … }")
    return value


Text = Annotated[
    dict[Language, Annotated[str, Field(min_length=1, max_length=200)]],
    BeforeValidator(_in_every_language),
]
"""What people read, by language."""


def said(text: Mapping[Language, str], language: str) -> str:
    """The text in a language, or in another where there is none in that one."""
    return next((words for each, words in text.items() if each == language), next(iter(text.values())))


Pair = tuple[Annotated[str, Field(min_length=1)], Annotated[str, Field(min_length=1)]]
"""A text, and the right answer to it."""


class Definition(BaseModel):
    """What every task has."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    enabled: bool = True
    description: Text
    prompt: str = Field(min_length=1)
    examples: tuple[Pair, ...] = ()


class Classification(Definition):
    """One of some words, scored in one pass. `labels` are those words, and what people see for each."""

    kind: Literal["classification"]
    labels: dict[str, Text]

    @model_validator(mode="after")
    def check_labels(self) -> Self:
        """Raises ValueError for labels that cannot be told apart, and for examples of none."""
        words = [label.strip() for label in self.labels]
        if len(words) < 2:
            raise ValueError(f"labels = {words}: must be at least two")
        if not all(words) or len(set(words)) < len(words):
            raise ValueError(f"labels = {list(self.labels)}: must be different words")
        if wrong := next((answer for _, answer in self.examples if answer not in self.labels), None):
            raise ValueError(f"examples: {wrong!r} is none of the labels {list(self.labels)}")
        return self


class Generation(Definition):
    """A text that the model writes, of at most `max_new_tokens`.

    Where no text is given it is about the last `messages` of the conversation; 0 asks for one. `instruction` stands
    below the text, in the language of the text: small models follow what they read last.
    """

    kind: Literal["generation"]
    instruction: Text | None = None
    messages: int = Field(0, ge=0, le=200)
    max_new_tokens: int = Field(256, ge=1, le=8192)
    temperature: float = Field(0.3, ge=0, le=2)
    repetition_penalty: float = Field(1.05, ge=1, le=2)


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError("must be a command: up to 32 of a–z, 0–9 and _, a letter first")
    if name in OWN_COMMANDS:
        raise ValueError(f"/{name} is a command of the bot itself; choose another name")
    return name


Name = Annotated[str, AfterValidator(_check_name)]
"""Every task is a command."""

KINDS: Mapping[str, type[Definition]] = {"classification": Classification, "generation": Generation}

Task = Annotated[Classification | Generation, Field(discriminator="kind")]

BUILT_IN: Mapping[str, Mapping[str, Any]] = {
    "summary": {
        "kind": "generation",
        "description": {
            "en": "sum up a text, a message, a file, or what we said last",
            "zh": "概括一段文字、一条消息、一个文件，或我们最近说的话",
        },
        "prompt": "你是一个摘要助手，用自己的话写简短的摘要。",
        "instruction": {
            "en": "---\nThe text above in one sentence of at most 25 words:",
            "zh": "---\n用一句话（不超过四十个字）概括上文：",
        },
        "messages": 20,
        "max_new_tokens": 200,
    },
    "intent": {
        "kind": "classification",
        "description": {
            "en": "what a message is after: a question, a request, …",
            "zh": "一条消息的意图：提问、请求……",
        },
        "prompt": "判断用户文本的意图，只能回答“提问”“请求”“抱怨”“感谢”“问候”“陈述”之一。",
        "labels": {
            "提问": {"en": "❓ question", "zh": "❓ 提问"},
            "请求": {"en": "🙏 request", "zh": "🙏 请求"},
            "抱怨": {"en": "😤 complaint", "zh": "😤 抱怨"},
            "感谢": {"en": "💐 thanks", "zh": "💐 感谢"},
            "问候": {"en": "👋 greeting", "zh": "👋 问候"},
            "陈述": {"en": "💬 statement", "zh": "💬 陈述"},
        },
        "examples": [
            ["We met in the park yesterday.", "陈述"],
            ["Two hours late again, unbelievable!", "抱怨"],
            ["在哪里可以停车", "提问"],
            ["你们有优惠吗", "提问"],
            ["介绍几部电影", "请求"],
            ["Hi!", "问候"],
            ["今天是周末", "陈述"],
            ["太谢谢了", "感谢"],
            ["Who is the president of France", "提问"],
            ["The service is terrible.", "抱怨"],
            ["帮我写一封请假信", "请求"],
            ["为什么水会结冰", "提问"],
            ["晚上好", "问候"],
            ["Could you explain this to me?", "请求"],
            ["Thank you so much!", "感谢"],
            ["我住在三楼。", "陈述"],
            ["How old is the earth?", "提问"],
            ["又坏了，什么破东西", "抱怨"],
            ["Please open the window.", "请求"],
            ["现在几点了？", "提问"],
            ["The library is closed on Sundays.", "陈述"],
        ],
    },
}
"""Tasks that are there without a word in the configuration, which may change them or switch them off."""


def with_built_in(given: object) -> object:
    """The tables of the configuration above those that the bot brings, key by key."""
    if not isinstance(given, Mapping):
        raise ValueError("tasks: must be tables, [tasks.NAME]")
    tasks = {**BUILT_IN, **given}
    for name, built_in in BUILT_IN.items():
        changed = tasks[name]
        if isinstance(changed, Mapping) and changed.get("kind", built_in["kind"]) == built_in["kind"]:
            tasks[name] = {**built_in, **changed}
    return tasks


def explain(problem: ErrorDetails) -> str:
    """The key and what is wrong with it, in pydantic's words where it has good ones."""
    _, name, *below = map(str, problem["loc"])
    kind = below.pop(0) if below and below[0] in KINDS else ""
    place = ".".join(["tasks", name, *(key for key in below if key != "[key]")])
    match problem["type"]:
        case "missing" if len(below) == 1:
            return f"{place}: a {kind} needs it"
        case "missing" | "too_long":  # in one of the examples
            return f"{place.rpartition('.')[0]} = {problem['input']!r}: must be a text and the right answer"
        case "union_tag_not_found":
            return f"{place}.kind: must be there, {_KINDS}"
        case "union_tag_invalid":
            return f"{place}.kind = {problem['input']['kind']!r}: must be {_KINDS}"
        case "extra_forbidden":
            return f"{place}: unknown key; a {kind} has {', '.join(KINDS[kind].model_fields)}"
        case "model_attributes_type":
            return f"{place}: must be a table, [{place}]"
        case "value_error" if kind and not below:
            return f"{place}.{problem['msg']}"  # of several keys, the first of which it names
        case "value_error" if "[key]" in below:
            return f"{place}: {problem['msg']}"
    return f"{place} = {problem['input']!r}: {problem['msg']}"


_KINDS = " or ".join(f"'{kind}'" for kind in KINDS)
