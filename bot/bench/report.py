"""What a run found: as JSON for programs, as a table for people. Medians, where nothing else is said."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from rich.table import Table

from bot.bench.day import USERS
from bot.bench.run import Measured, Plan

SERIAL = "answers one request after another"

ROWS: Sequence[tuple[str, tuple[str, ...], str]] = (
    ("sentiment, its answer asked for as well, 1,000 new tokens of history, ms", ("sentiment_ms",), ".0f"),
    ("sentiment alone, ms", ("sentiment_alone_ms",), ".0f"),
    ("sentiment beside 8 answers, ms: median", ("sentiment_under_load_ms", "p50"), ".0f"),
    ("… 95 of 100 within", ("sentiment_under_load_ms", "p95"), ".0f"),
    ("… a step of those answers", ("load_step_ms",), ".1f"),
    ("first token, ms", ("first_token_ms",), ".0f"),
    ("first token in turn 10 (1,000 tokens), ms", ("continued_first_token_ms",), ".0f"),
    ("first token, constant prompts known, ms", ("warm", "first_token_ms"), ".0f"),
    ("sentiment, constant prompts known, ms", ("warm", "sentiment_ms"), ".0f"),
    *((f"tokens/s, {users} at once", ("decode_tok_s", str(users)), ".0f") for users in USERS),
    ("prompt tokens/s", ("prefill_tok_s",), ".0f"),
    ("between pieces of 4 answers, ms: 95 of 100 within", ("inter_token_ms", "usual_p95"), ".0f"),
    ("… while a prompt of 2,000 tokens is read", ("inter_token_ms", "reading_p95"), ".0f"),
    ("a whole answer of 128 tokens, s", ("reply_s",), ".1f"),
    ("memory, MB", ("rss_mb",), ".0f"),
    ("ready after, s", ("ready_s",), ".1f"),
    ("KL divergence from float32", ("kl",), ".4f"),
    ("same most probable token, share", ("equal_top1",), ".3f"),
)


def report(
    machine: Mapping[str, float | None], measured: Mapping[str, Measured], plan: Plan
) -> dict[str, Any]:
    """Everything, in JSON's types."""
    engines = {name: figures(found) for name, found in measured.items()}
    return {"machine": machine, "engines": engines, "repetitions": plan.repetitions}


def figures(measured: Measured) -> dict[str, Any]:
    """One engine. What it cannot give is None, and `reasons` says why."""
    one = {name: median(values) for name, values in measured.samples.items()}
    many = measured.samples
    quality = measured.quality
    decode = {str(users): one.get(f"decode_{users}") for users in USERS}
    reasons = {}
    if measured.parallel < max(USERS):
        decode = {users: rate or decode["1"] for users, rate in decode.items()}
        reasons["decode_tok_s"] = f"{SERIAL}: several users share the speed of one"
    for name in ("sentiment_under_load_ms", "inter_token_usual_ms"):
        if name not in many:
            reasons[name.replace("_usual", "")] = SERIAL
    if quality is None:
        reasons["kl"] = "needs the reference beside it"
    return {
        "about": measured.about,
        "sentiment_ms": one["sentiment_ms"],
        "sentiment_alone_ms": one["sentiment_alone_ms"],
        "sentiment_under_load_ms": {
            "p50": one.get("sentiment_under_load_ms"),
            "p95": p95(many.get("sentiment_under_load_ms")),
        },
        "load_step_ms": one.get("load_step_ms"),
        "first_token_ms": one["first_token_ms"],
        "continued_first_token_ms": one["continued_first_token_ms"],
        "decode_tok_s": decode,
        "prefill_tok_s": one["prefill_tok_s"],
        "inter_token_ms": {
            "usual_p95": p95(many.get("inter_token_usual_ms")),
            "reading_p95": p95(many.get("inter_token_reading_ms")),
        },
        "reply_s": one["reply_s"],
        "rss_mb": measured.peak_bytes / 1e6,
        "ready_s": measured.ready_s,
        "kl": quality and quality.kl,
        "equal_top1": quality and quality.equal_top1,
        "warm": {
            "sentiment_ms": one["warm_sentiment_ms"],
            "first_token_ms": one["warm_first_token_ms"],
        },
        "reasons": reasons,
    }


def p95(values: Sequence[float] | None) -> float | None:
    """The smallest value that 95 of 100 do not exceed."""
    return sorted(values)[-(-95 * len(values) // 100) - 1] if values else None


Words = Callable[[str], str]
"""English words to those of whoever reads a report."""


def ceiling(machine: Mapping[str, float | None], words: Words = str) -> str:
    """What the machine can do at most, in a line."""
    forms = (
        ("read_gb_s", "memory {:.0f} GB/s"),
        ("int8_tops", "int8 {:.2f} TOP/s"),
        ("bf16_gflops", "bfloat16 {:.0f} GFLOP/s"),
    )
    known = [form.format(machine[key]) for key, form in forms if machine[key] is not None]
    return words(f"This machine at most: {', '.join(known)}") + "\n"


def table(found: Mapping[str, Any], words: Words = str) -> Table:
    """A report, an engine to a column."""
    engines: Mapping[str, Any] = found["engines"]
    shown = Table("", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in engines:
        shown.add_column(name, justify="right", no_wrap=True)
    for label, path, form in ROWS:
        shown.add_row(words(label), *(_cell(engine, path, form) for engine in engines.values()))
    return shown


def markdown(found: Mapping[str, Any]) -> str:
    """The same table for a document."""
    engines: Mapping[str, Any] = found["engines"]
    rows = [["", *engines], ["---", *("---:" for _ in engines)]]
    rows += [
        [label, *(_cell(engine, path, form) for engine in engines.values())] for label, path, form in ROWS
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(engine: Any, path: Sequence[str], form: str) -> str:
    for key in path:
        engine = engine[key]
    return "–" if engine is None else format(engine, form)
