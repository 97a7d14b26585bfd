"""Figures of a classifier on labelled texts. Pure arithmetic over outcomes; all figures are from 0 to 1.

Kinds of texts count the same, however many rows they have: the figures of several sets are their plain mean.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

BINS = 10
"""Of the expected calibration error: equally wide steps of confidence (Guo et al. 2017)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a text is, what it was taken for, and how sure the judge was of that."""

    truth: str
    found: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Figures:
    """`confusion[truth][found]` counts rows."""

    rows: int
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    ece: float
    confusion: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Means:
    """The mean over sets of what Figures has for one set."""

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    ece: float


def figures(outcomes: Sequence[Outcome]) -> Figures:
    """Of one set, which has at least one row."""
    confusion = confusion_of(outcomes)
    return Figures(
        rows=len(outcomes),
        accuracy=fmean(outcome.truth == outcome.found for outcome in outcomes),
        balanced_accuracy=fmean(recalls(confusion).values()),
        macro_f1=fmean(f1_scores(confusion).values()),
        ece=calibration_error(outcomes),
        confusion=confusion,
    )


def means(sets: Iterable[Figures]) -> Means:
    """Over sets, of which there is at least one."""
    each = list(sets)
    return Means(
        accuracy=fmean(one.accuracy for one in each),
        balanced_accuracy=fmean(one.balanced_accuracy for one in each),
        macro_f1=fmean(one.macro_f1 for one in each),
        ece=fmean(one.ece for one in each),
    )


def confusion_of(outcomes: Iterable[Outcome]) -> dict[str, dict[str, int]]:
    """Rows by truth, then by what they were taken for."""
    counts = Counter((outcome.truth, outcome.found) for outcome in outcomes)
    labels = sorted({label for pair in counts for label in pair})
    truths = sorted({truth for truth, _ in counts})
    return {truth: {found: counts[truth, found] for found in labels} for truth in truths}


def recalls(confusion: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """Of each label that some row has: the part of its rows that was found."""
    return {truth: row.get(truth, 0) / sum(row.values()) for truth, row in confusion.items()}


def f1_scores(confusion: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """Of each label that some row has: the harmonic mean of precision and recall."""
    found = {label: sum(row.get(label, 0) for row in confusion.values()) for label in confusion}
    return {
        label: 2 * row.get(label, 0) / (found[label] + sum(row.values())) for label, row in confusion.items()
    }


def calibration_error(outcomes: Sequence[Outcome]) -> float:
    """How far confidence and accuracy lie apart, bin by bin of confidence, weighted by the rows in a bin."""
    bins: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        bins.setdefault(min(int(outcome.confidence * BINS), BINS - 1), []).append(outcome)
    gaps = (
        abs(sum(one.truth == one.found for one in rows) - sum(one.confidence for one in rows))
        for rows in bins.values()
    )
    return sum(gaps) / len(outcomes)
