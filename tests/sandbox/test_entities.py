"""Cleaning, trimming and what Telegram finds in a text by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.entities import cut, find, normalise, utf16
from bot.sandbox.objects import Entity


def found(text: str) -> list[tuple[str, str]]:
    return [(entity.type, cut(text, entity)) for entity in find(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/start now", [("bot_command", "/start")]),
        ("😀 /ask@tandem_bot 吗", [("bot_command", "/ask@tandem_bot")]),
        ("a/b and //c and http://x/y", [("url", "http://x/y")]),
        ("hi @Ann_1, @x and a@b", [("mention", "@Ann_1")]),
        ("你好@tandem_bot你好", [("mention", "@tandem_bot")]),
        ("write to ann@example.org.", [("email", "ann@example.org")]),
        ("see https://example.org/a?b=1.", [("url", "https://example.org/a?b=1")]),
        ("example.com（见这里）", [("url", "example.com")]),
        ("#标签 #1 #a_1", [("hashtag", "#标签"), ("hashtag", "#a_1")]),
        ("nothing here", []),
    ],
)
def test_what_is_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_offsets_are_utf16_units() -> None:
    (entity,) = find("😀😀 /start")
    assert (entity.offset, entity.length) == (5, 6)


def test_nothing_is_found_inside_code() -> None:
    _, entities = normalise("/a `/b`", [Entity(type="code", offset=3, length=4)])
    assert [entity.type for entity in entities] == ["bot_command", "code"]


def test_entities_move_with_the_text() -> None:
    text, entities = normalise("\n  a\r\r bold \n", [Entity(type="bold", offset=7, length=4)])
    assert text == "a bold"
    assert [cut(text, entity) for entity in entities] == ["bold"]


def test_code_keeps_the_space_before_it() -> None:
    text, _ = normalise("    indented", [Entity(type="pre", offset=0, length=12)])
    assert text == "    indented"


def test_at_most_a_hundred_entities_count() -> None:
    _, entities = normalise("a " * 120, [Entity(type="bold", offset=2 * n, length=1) for n in range(120)])
    assert len(entities) == 100


@given(st.text(max_size=60), st.data())
def test_any_entity_at_character_borders_stays_inside_the_text(text: str, data: st.DataObject) -> None:
    borders = [utf16(text[:end]) for end in range(len(text) + 1)]
    start, end = sorted(data.draw(st.tuples(st.sampled_from(borders), st.sampled_from(borders))))
    covered = cut(text, Entity(type="bold", offset=start, length=end - start))
    shown, entities = normalise(text, [Entity(type="bold", offset=start, length=end - start)])
    for entity in entities:
        assert 0 <= entity.offset < entity.end <= utf16(shown)
        assert "\ufffd" not in cut(shown, entity) or "\ufffd" in text
    bold = [cut(shown, entity) for entity in entities if entity.type == "bold"]
    assert "".join(bold).split() == [] or "".join(bold).strip() in normalise(covered, [])[0]
