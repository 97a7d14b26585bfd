"""A model's chat template: what it writes around messages, rendered in Jinja's sandbox. Knows no tokens.

transformers renders the same templates (`apply_chat_template`), but to import it for that takes a second of a start.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

NEEDED = frozenset({"range", "namespace", "joiner", "cycler"})
"""Of Jinja's own global names, those that chat templates are written with."""


class ChatTemplate:
    """The template of a model folder. Raises ValueError if it has none, and TemplateSyntaxError."""

    def __init__(self, folder: Path) -> None:
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        self._template = _compiled(_source(folder, settings))
        self._special = {
            key: _token_text(settings.get(key)) for key in ("bos_token", "eos_token", "pad_token")
        }

    def around(self, roles: Sequence[str]) -> list[str]:
        """What it writes before, between and behind messages of these roles, up to where the assistant's words begin.

        Raises ValueError for a template that leaves messages out, and what the template itself raises.
        """
        marks = [f"\ue000{index}\ue001" for index in range(len(roles))]
        rest = self._template.render(
            messages=[{"role": role, "content": mark} for role, mark in zip(roles, marks, strict=True)],
            tools=None,
            documents=None,
            add_generation_prompt=True,
            enable_thinking=False,
            **self._special,
        )
        pieces = []
        for mark in marks:
            piece, found, rest = rest.partition(mark)
            if not found:
                raise ValueError("the model's chat template does not show every message in order")
            pieces.append(piece)
        return [*pieces, rest]


class Generation(Extension):
    """`{% generation %}` marks what a model is trained on. Here it is its contents."""

    tags = {"generation"}  # noqa: RUF012 -- so it is in Jinja

    def parse(self, parser: Parser) -> nodes.Node:
        """See Extension."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


def _compiled(source: str) -> Template:
    """With the settings and names that templates count on (transformers' documentation, "Writing a chat template")."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    for name in environment.globals.keys() - NEEDED:  # nobody's template needs more of Python
        del environment.globals[name]
    environment.globals |= {"raise_exception": _raise, "strftime_now": _now, "dict": _dict}
    environment.filters["tojson"] = _json
    return environment.from_string(source)


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)


def _dict(*pairs: Any, **named: Any) -> dict[Any, Any]:
    return dict(*pairs, **named)


def _json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Without Jinja's escapes for HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _source(folder: Path, settings: dict[str, object]) -> str:
    file = folder / "chat_template.jinja"
    if file.exists():
        return file.read_text(encoding="utf-8")
    template = settings.get("chat_template")
    if not isinstance(template, str):
        raise ValueError(f"{folder} holds no chat template: is it an instruct or chat model?")
    return template


def _token_text(token: object) -> str:
    """tokenizer_config.json writes a token as text or as an object with the text."""
    if isinstance(token, dict):
        return str(token.get("content", ""))
    return token if isinstance(token, str) else ""
