"""The mood on labelled texts: the bot beside the baselines.

Every text goes to all judges, one after another, so that a machine that is busy for a while is slow for everybody.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bot.evaluation.judges import Judge, Opinion
from bot.evaluation.metrics import Figures, Outcome, figures, means
from bot.evaluation.rows import Row

Told = Callable[[int], None]
"""Called after each text with the number of those that are done."""


@dataclass(slots=True)
class Work:
    """What a judge said about some of the rows, and the seconds that it took."""

    opinions: dict[int, Opinion] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """Figures by set, and milliseconds for each text."""

    sets: Mapping[str, Figures]
    ms_per_text: float

    def as_json(self) -> dict[str, Any]:
        """Means over the sets first, the sets below them."""
        own = {name: asdict(one) for name, one in self.sets.items()}
        return {**asdict(means(self.sets.values())), "ms_per_text": self.ms_per_text, "sets": own}


async def evaluate(rows: Sequence[Row], judges: Mapping[str, Judge], told: Told) -> dict[str, Result]:
    """Results by judge, with the majority among them; judges that read none of the sets are left out."""
    texts: dict[str, list[str]] = {}
    for row in rows:
        texts.setdefault(row.set, []).append(row.text)
    readers = {(name, set_) for name, judge in judges.items() for set_ in texts if judge.reads(texts[set_])}
    work = {name: Work() for name in judges}
    for judge in judges.values():  # the first text of all pays for what is computed once
        await judge.judge(rows[0].text)
    for index, row in enumerate(rows):
        for name, judge in judges.items():
            if (name, row.set) in readers:
                began = time.perf_counter()
                work[name].opinions[index] = await judge.judge(row.text)
                work[name].seconds += time.perf_counter() - began
        told(index + 1)
    return {
        "majority": majority(rows),
        **{name: result(rows, done) for name, done in work.items() if done.opinions},
    }


def result(rows: Sequence[Row], work: Work) -> Result:
    """Sets without neutral rows ask for positive or negative only."""
    three_way = {row.set for row in rows if row.label == "neutral"}
    outcomes: dict[str, list[Outcome]] = {}
    for index, opinion in work.opinions.items():
        row = rows[index]
        found, confidence = _found(opinion) if row.set in three_way else _found_of_two(opinion)
        outcomes.setdefault(row.set, []).append(Outcome(row.label, found, confidence))
    sets = {name: figures(outcomes[name]) for name in sorted(outcomes)}
    return Result(sets, 1000 * work.seconds / len(work.opinions))


def majority(rows: Sequence[Row]) -> Result:
    """Of each set the most frequent label, for every row, without looking."""
    truths: dict[str, list[str]] = {}
    for row in rows:
        truths.setdefault(row.set, []).append(row.label)
    sets = {}
    for name, labels in sorted(truths.items()):
        most, count = Counter(labels).most_common(1)[0]
        sets[name] = figures([Outcome(label, most, count / len(labels)) for label in labels])
    return Result(sets, 0.0)


def _found(opinion: Opinion) -> tuple[str, float]:
    return opinion.mood, opinion.probabilities[opinion.mood]


def _found_of_two(opinion: Opinion) -> tuple[str, float]:
    positive, negative = opinion.probabilities["positive"], opinion.probabilities["negative"]
    found = "positive" if positive >= negative else "negative"
    return found, max(positive, negative) / ((positive + negative) or 1)
