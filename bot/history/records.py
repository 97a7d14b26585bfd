"""What the history remembers, as plain values. Knows no SQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
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
    """The mood of a question. `state` is "sending" until Telegram confirmed the message (or reaction)."""

    label: str
    probability: float
    seconds: float
    state: Literal["sending", "sent"]
    message_id: int | None


@dataclass(frozen=True, slots=True)
class Turn:
    """One user message and what became of it.

    A final text is stored first (`state` leaves "running") and delivered after (`delivered`), so that it can
    be delivered again. `attempts` counts the beginnings, 1 at first.
    """

    id: int
    conversation: ConversationKey
    chat_type: str
    user_id: int
    message_id: int
    question: str
    created_at: datetime
    attempts: int
    state: TurnState
    verdict: Verdict | None
    answer_ids: tuple[int, ...]
    reply: str
    delivered: bool
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Seconds: half of the values are at most `p50`, 95 % at most `p95`."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Stats:
    """What happened; moods and times are those of the last 30 days."""

    users: int
    turns_today: int
    turns_30_days: int
    moods: Mapping[str, int]
    sentiment_s: Percentiles | None
    first_token_s: Percentiles | None
