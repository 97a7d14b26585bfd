"""What a button says survives Telegram, and nothing else is taken for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.handlers.callbacks import MOST_BYTES, Press, read

actions = st.from_regex(r"[a-z]{1,12}", fullmatch=True)
presses = st.builds(Press, actions, st.integers(1, 2**52), st.text("abc|🔁·0", max_size=6))


@given(presses)
def test_a_button_says_what_it_was_made_for(press: Press) -> None:
    assert len(press.data.encode()) <= MOST_BYTES
    assert read(press.data) == press


@given(st.text(max_size=40))
def test_anything_else_is_no_button_of_ours(data: str) -> None:
    press = read(data)
    assert press is None or press.data == data or data.split("|")[2].startswith("0")


@pytest.mark.parametrize(
    "data", ["", "again", "0|again|1001|5", "2|again|1001|5", "1|again|me|5", "1|again|-5|5"]
)
def test_buttons_of_other_versions_are_not_understood(data: str) -> None:
    assert read(data) is None


def test_what_does_not_fit_is_refused_when_the_button_is_made() -> None:
    with pytest.raises(ValueError, match="persona"):
        _ = Press("persona", 1001, "字" * 20).data
