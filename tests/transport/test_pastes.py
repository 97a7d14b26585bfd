"""A long text that an app cut into messages is one text again, and nothing else is taken for a part of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram import Update

from bot.transport.pastes import LONGEST, MOST_PARTS, goes_on, joined, may_go_on

ANN = {"id": 1001, "first_name": "Ann", "is_bot": False}


def update(number: int, text: str, **fields: Any) -> dict[str, Any]:
    message = {
        "message_id": number,
        "date": 1_800_000_000,
        "chat": {"id": 1001, "type": "private"},
        "from": ANN,
    }
    return {"update_id": 100 + number, "message": message | {"text": text} | fields}


def put_together(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What remains when every part that goes on is joined."""
    groups: list[list[Any]] = []
    for part in parts:
        if groups and goes_on(groups[-1], part):
            groups[-1].append(part)
        else:
            groups.append([part])
    return [dict(joined(group)) for group in groups]


lines = st.text(st.sampled_from("ab 字😀."), min_size=1, max_size=900).map(lambda line: line.strip() or "x")


@given(st.lists(lines, min_size=1, max_size=40).map("\n".join))
def test_a_text_that_was_cut_at_the_limit_is_the_same_again(text: str) -> None:
    pieces = [text[start : start + LONGEST] for start in range(0, len(text), LONGEST)]
    (whole,) = put_together([update(number, piece) for number, piece in enumerate(pieces)])
    assert whole["message"]["text"] == text
    assert whole["update_id"] == 100


@given(st.lists(lines, min_size=1, max_size=40), st.integers(LONGEST // 2, LONGEST - 1))
def test_a_text_that_was_cut_between_lines_is_the_same_again(text: list[str], at_least: int) -> None:
    pieces = [""]
    for line in text:
        if len(pieces[-1]) >= at_least:
            pieces.append(line)
        else:
            pieces[-1] = f"{pieces[-1]}\n{line}" if pieces[-1] else line
    (whole,) = put_together([update(number, piece) for number, piece in enumerate(pieces)])
    assert whole["message"]["text"] == "\n".join(text)


def test_entities_stay_on_their_words() -> None:
    first = "😀" * LONGEST
    link = {"type": "url", "offset": 5, "length": 15}
    (whole,) = put_together([update(1, first), update(2, "see: https://e.org/a", entities=[link])])
    message = Update.de_json(whole, None).message
    assert message is not None
    assert message.parse_entities() == {message.entities[0]: "https://e.org/a"}


LONG = "x" * LONGEST
REPLY = {"message_id": 7, "date": 1, "chat": {"id": 1001, "type": "private"}}


@pytest.mark.parametrize(
    "second",
    [
        update(2, "later", date=1_800_000_003),
        update(2, "somebody else's", **{"from": ANN | {"id": 1002}}),
        update(2, "elsewhere", chat={"id": -5, "type": "group"}),
        update(2, "in another topic", message_thread_id=9),
        update(2, "/new", entities=[{"type": "bot_command", "offset": 0, "length": 4}]),
        update(2, "a reply to something else", reply_to_message=REPLY),
        update(2, "not theirs", forward_origin={"type": "hidden_user"}),
        {"update_id": 5, "message": {**update(2, "")["message"], "photo": [], "text": None}},
        {"update_id": 5, "edited_message": update(2, "edited")["message"]},
    ],
)
def test_other_messages_are_no_parts(second: dict[str, Any]) -> None:
    assert not goes_on([update(1, LONG)], second)


def test_a_short_message_is_complete_and_a_paste_has_an_end() -> None:
    assert not may_go_on(update(1, "x" * 2047))
    assert not goes_on([update(1, "short")], update(2, "another"))
    assert len(put_together([update(number, LONG) for number in range(MOST_PARTS + 1)])) == 2
