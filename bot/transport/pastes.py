"""Pastes: a long text that Telegram's apps cut into several messages becomes one message again. Pure.

Works on raw updates, before they are parsed: what comes out looks as if it had been sent in one piece.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from bot.transport.content import utf16_length

Raw = Mapping[str, Any]

LONGEST = 4096
# The apps cut at the limit, or before it where a paragraph or a sentence ends: at half the limit at the earliest.
SHORTEST_HEAD = LONGEST // 2
# Parts are sent at once; their times are in whole seconds.
MOST_APART_S = 2
MOST_PARTS = 16


def may_go_on(raw: Raw) -> bool:
    """Whether the update may be the beginning, or a middle part, of a longer text."""
    message = raw.get("message")
    return isinstance(message, dict) and _is_own_words(message) and len(message["text"]) >= SHORTEST_HEAD


def goes_on(parts: Sequence[Raw], raw: Raw) -> bool:
    """Whether the update is the next part of what `parts` began."""
    last, message = parts[-1]["message"], raw.get("message")
    if not isinstance(message, dict) or not _is_own_words(message) or len(parts) >= MOST_PARTS:
        return False
    is_command = any(e["type"] == "bot_command" and e["offset"] == 0 for e in message.get("entities", ()))
    return (
        may_go_on(parts[-1])
        and not is_command
        and _origin(last) == _origin(message)
        and 0 <= message["date"] - last["date"] <= MOST_APART_S
        and _reply(message) in (None, _reply(parts[0]["message"]))
    )


def joined(parts: Sequence[Raw]) -> Raw:
    """The first update, with the text of all."""
    first = parts[0]
    if len(parts) == 1:
        return first
    text, entities = first["message"]["text"], list(first["message"].get("entities", ()))
    for before, message in pairwise(each["message"] for each in parts):
        text += _gap(before["text"])
        shift = utf16_length(text)
        entities += [e | {"offset": e["offset"] + shift} for e in message.get("entities", ())]
        text += message["text"]
    return {**first, "message": {**first["message"], "text": text, "entities": entities}}


def _is_own_words(message: Mapping[str, Any]) -> bool:
    own = not any(key in message for key in ("forward_origin", "via_bot"))
    return own and isinstance(message.get("text"), str)


def _origin(message: Mapping[str, Any]) -> tuple[object, ...]:
    """Who wrote where."""
    ids = [message.get(key, {}).get("id") for key in ("chat", "from", "sender_chat")]
    return (*ids, message.get("message_thread_id"))


def _reply(message: Mapping[str, Any]) -> object:
    return message.get("reply_to_message", {}).get("message_id")


def _gap(text: str) -> str:
    """A text of full length was cut within a line; from a shorter one the end of a line was trimmed."""
    return "" if len(text) == LONGEST else "\n"
