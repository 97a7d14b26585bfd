"""A classification of the configuration on labelled texts, beside the most frequent label of each set."""

import time
from collections.abc import Awaitable, Callable, Sequence

from bot.evaluation.metrics import Outcome, figures
from bot.evaluation.rows import Row
from bot.evaluation.sentiment import Result, Told, majority
from bot.model.api import Choice

Classify = Callable[[str], Awaitable[Choice]]


async def evaluate_task(rows: Sequence[Row], classify: Classify, told: Told) -> dict[str, Result]:
    """Results of the model and of the majority. Raises what `classify` raises."""
    await classify(rows[0].text)  # the first text of all pays for what is computed once
    outcomes: dict[str, list[Outcome]] = {}
    began = time.perf_counter()
    for index, row in enumerate(rows):
        choice = await classify(row.text)
        outcomes.setdefault(row.set, []).append(Outcome(row.label, choice.label, choice.probability))
        told(index + 1)
    seconds = time.perf_counter() - began
    sets = {name: figures(found) for name, found in sorted(outcomes.items())}
    return {"model": Result(sets, 1000 * seconds / len(rows)), "majority": majority(rows)}
