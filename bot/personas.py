"""Personas: who the bot can be. The [personas] table of the configuration, and those that the bot brings.

Knows which definitions make sense; knows neither the model nor Telegram's calls.
"""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import ErrorDetails

from bot.definitions import Text, said

NAME = re.compile(r"[a-z0-9_-]{1,24}")
"""What fits on a button."""

USUAL = "default"
"""What stands for [chat] system_prompt; no persona may be called so."""

ANSWER_IN_KIND = "用对方使用的语言回答。"


class Persona(BaseModel):
    """Another character: what people read on its button, and what the model is told about itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Text
    system_prompt: str = Field(min_length=1)

    def title_in(self, language: str) -> str:
        """The title in one of the bot's languages, or in another where there is none in that one."""
        return said(self.title, "zh" if language.startswith("zh") else "en")


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError("must be a short name: up to 24 of a–z, 0–9, _ and -")
    if name == USUAL:
        raise ValueError("is what [chat] system_prompt makes; choose another name")
    return name


PersonaName = Annotated[str, AfterValidator(_check_name)]

BUILT_IN: Mapping[str, Persona] = {
    "teacher": Persona(
        title={"en": "🧑‍🏫 Teacher", "zh": "🧑‍🏫 老师"},
        system_prompt=f"你是一位耐心的老师，用简单的话和一个例子把问题讲清楚。{ANSWER_IN_KIND}",
    ),
    "coder": Persona(
        title={"en": "🧑‍💻 Programmer", "zh": "🧑‍💻 程序员"},
        system_prompt=f"你是一位资深程序员，先给出可以运行的代码，再用一两句话说明。{ANSWER_IN_KIND}",
    ),
    "poet": Persona(
        title={"en": "🪶 Poet", "zh": "🪶 诗人"},
        system_prompt=f"你是一位诗人，用几行优美的短句和鲜明的意象作答。{ANSWER_IN_KIND}",
    ),
}


def explain_persona(problem: ErrorDetails) -> str:
    """The key of a persona and what is wrong with it."""
    keys = [str(key) for key in problem["loc"] if key != "[key]"]
    place = ".".join(keys)
    match problem["type"]:
        case "missing":
            return f"{place}: a persona needs it"
        case "extra_forbidden":
            return f"{place}: unknown key; a persona has {', '.join(Persona.model_fields)}"
        case "dict_type":
            return f"{place}: must be a table, [{place}]"
        case "model_type" | "model_attributes_type":
            return f"{place}: must be a table, {{ title = …, system_prompt = … }}"
        case "value_error" if "[key]" in problem["loc"]:
            return f"{place}: {problem['msg']}"
    return f"{place} = {problem['input']!r}: {problem['msg']}"
