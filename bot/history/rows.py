"""Turns to and from rows. Knows the tables and the values, and runs nothing."""

from typing import Any

from sqlalchemy import Row, Select, select

from bot.conversation import ConversationKey
from bot.history.records import Turn, Verdict
from bot.history.tables import conversations, turns
from bot.model.api import Usage

_place = conversations.c

TURNS: Select[Any] = select(
    turns, _place.chat_id, _place.thread_id, _place.user_id.label("place_user_id"), _place.chat_type
).join(conversations, turns.c.conversation_id == _place.id)

SINCE_RESET = turns.c.id > _place.reset_turn_id


def turn_of(row: Row[Any]) -> Turn:
    """One row of TURNS as the value that leaves the history."""
    return Turn(
        id=row.id,
        conversation=ConversationKey(row.chat_id, row.thread_id, row.place_user_id),
        chat_type=row.chat_type,
        user_id=row.user_id,
        message_id=row.message_id,
        question=row.question,
        context=row.context,
        created_at=row.created_at,
        attempts=row.attempts,
        state=row.state,
        verdict=_verdict(row),
        answer_ids=tuple(row.answer_ids),
        reply=row.reply,
        delivered=row.delivered,
        usage=_usage(row),
        task=row.task,
    )


def usage_columns(usage: Usage | None) -> dict[str, object]:
    """What a request cost, by column."""
    if usage is None:
        return {}
    return {
        "prompt_tokens": usage.prompt,
        "cached_tokens": usage.cached,
        "generated_tokens": usage.generated,
        "queued_s": usage.queued_s,
        "first_token_s": usage.first_token_s,
        "total_s": usage.total_s,
    }


def _usage(row: Row[Any]) -> Usage | None:
    if row.total_s is None:
        return None
    tokens = (row.prompt_tokens, row.cached_tokens, row.generated_tokens)
    return Usage(*tokens, row.queued_s, row.first_token_s, row.total_s)


def _verdict(row: Row[Any]) -> Verdict | None:
    if row.sentiment is None:
        return None
    seen = (row.sentiment_state, row.sentiment_message_id)
    return Verdict(row.sentiment, row.sentiment_probability, row.sentiment_s, *seen)
