"""What the history remembers, as plain values. Knows no SQL."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from bot.conversation import ConversationKey
from bot.model.api import Usage

TurnState = Literal["running", "done", "stopped", "failed", "interrupted"]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One journalled update. `attempts` counts how often its handling was started before."""

    id: int
    update_id: int
    received_at: datetime
    attempts: int
    update: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The mood of a question. `state` is "sending" until Telegram confirmed the message (or reaction).

    It is "outdated" when the question was changed: then its message is there to be changed too.
    """

    label: str
    probability: float
    seconds: float
    state: Literal["sending", "sent", "outdated"]
    message_id: int | None


@dataclass(frozen=True, slots=True)
class Correction:
    """What was said about a text, how sure the model was, and what its author says about it."""

    verdict: str
    probability: float
    correction: str


@dataclass(frozen=True, slots=True)
class Opinions:
    """All corrections, and how many messages were judged in all."""

    corrections: tuple[Correction, ...]
    judged: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One user message and what became of it.

    `context` is what the question is about: a quoted message, a file; `task` names what was asked for, and is empty
    for an answer. A final text is stored first (`state`
    leaves "running") and delivered after (`delivered`), so that it can be delivered again. `attempts` counts
    the beginnings, 1 at first.
    """

    id: int
    conversation: ConversationKey
    chat_type: str
    user_id: int
    message_id: int
    question: str
    context: str
    created_at: datetime
    attempts: int
    state: TurnState
    verdict: Verdict | None
    answer_ids: tuple[int, ...]
    reply: str
    delivered: bool
    usage: Usage | None
    task: str = ""

    @property
    def prompt(self) -> str:
        """What the model is told: the question, below what it is about."""
        return "\n\n".join(filter(None, (self.context, self.question)))


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Seconds: half of the values are at most `p50`, 95 % at most `p95`."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Day:
    """Turns of one day, and how many of them had which mood."""

    date: date
    turns: int
    moods: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Stats:
    """What happened in the last days, today the last of them. `reused` is a share of all prompts' tokens."""

    users: int
    days: tuple[Day, ...]
    failed: int
    sentiment_s: Percentiles | None
    first_token_s: Percentiles | None
    reused: float | None

    @property
    def turns_today(self) -> int:
        return self.days[-1].turns

    @property
    def turns(self) -> int:
        return sum(day.turns for day in self.days)

    @property
    def moods(self) -> Mapping[str, int]:
        """Turns by mood."""
        return sum((Counter(day.moods) for day in self.days), Counter[str]())
