"""What the program may say in a terminal, read from its syntax trees: its sentences, with › ‹ where values stand."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import bot

Named = dict[str, list[ast.expr]]
CODE = Path(bot.__file__).parent
VALUE = "›x‹"

SHOWN = {
    "Finding": (0, 1, 2),
    "fault": (0, 1, 2),
    "fail": (0,),
    "_fail": (1,),
    "progress": (0,),
    "tell": (0,),
}
"""Calls whose arguments at these places end up on the screen."""

WORDING = {
    "bench/report.py": ("ceiling",),
    "cli/probes/network.py": ("_reason", "_proxy_in_use"),
    "config.py": ("_explain", "_allowed"),
    "definitions.py": ("explain",),
    "engine/native/decoder.py": ("supports",),
    "history/errors.py": ("_reason",),
    "history/examine.py": ("_damage",),
    "model/hub_client.py": ("_explain",),
    "model/weights.py": ("_who",),
    "model/wheels.py": ("_explain",),
    "personas.py": ("explain_persona",),
}
"""Functions that word what somebody else shows."""

SILENT = re.compile(r"handlers/|sandbox/(?!server)|engine/(?:architecture|checkpoint)|cli/hood")
"""What is said there is said in chats, on the page, or in the log."""


CHECKED = ("config.py", "definitions.py", "personas.py")
"""Where a ValueError is about the configuration."""


def sentences(errors: set[str]) -> set[str]:
    """What calls of SHOWN show, what WORDING words, and what the classes called `errors` are raised with."""
    found: set[str] = set()
    for path in sorted(CODE.rglob("*.py")):
        name = path.relative_to(CODE).as_posix()
        if not SILENT.match(name):
            tree, raised = (
                ast.parse(path.read_text(encoding="utf-8")),
                {"ValueError"} if name in CHECKED else set(),
            )
            found |= set(_said_in(tree, WORDING.get(name, ()), errors | raised))
    return {each for each in found if any(char.isalpha() for char in each.replace(VALUE, ""))}


def _said_in(tree: ast.Module, wording: tuple[str, ...], errors: set[str]) -> Iterator[str]:
    constants: Named = defaultdict(list)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            constants[node.targets[0].id].append(node.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            places = (0,) if name in errors else SHOWN.get(name, ())
            for place in places:
                yield from _texts(node.args[place], constants) if place < len(node.args) else ()
            if name in SHOWN:
                yield from (text for word in node.keywords for text in _texts(word.value, constants))
        elif isinstance(node, ast.FunctionDef) and node.name in wording:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return | ast.Yield) and inner.value is not None:
                    yield from _texts(inner.value, constants)


def _texts(node: ast.expr, constants: Named) -> Iterator[str]:
    """Every text that an expression may be, as far as that is written in its module."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield from map("".join, product(*(list(_texts(part, constants)) or [VALUE] for part in parts)))
        case ast.FormattedValue(value=value, format_spec=None, conversion=-1):
            yield from _texts(value, constants)
        case ast.IfExp(body=one, orelse=other):
            yield from (*_texts(one, constants), *_texts(other, constants))
        case ast.BoolOp(values=values):
            yield from (text for value in values for text in _texts(value, constants))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from map("".join, product(_texts(left, constants), _texts(right, constants)))
        case ast.Name(id=name) if name in constants:
            yield from (text for value in constants[name] for text in _texts(value, constants))
        case ast.Tuple(elts=[first, *_]) | ast.List(elts=[first, *_]):
            yield from _texts(first, constants)
        case ast.Call(func=ast.Attribute(attr="format", value=form)):
            yield from (text.replace("{}", VALUE) for text in _texts(form, constants))


def everything() -> str:
    """All strings of the program, one to a line: whatever is translated has to be among them."""
    texts: list[str] = []
    for path in sorted(CODE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant | ast.JoinedStr):
                texts += _texts(node, defaultdict(list))
    return "\n".join(re.sub(r"{[\w:.]*}", VALUE, text) for text in texts)
