"""What the reader sees of a reply: all of it, within Telegram's limits, formatted where that is safe."""

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.transport.content import Content
from bot.transport.render import frames, render, stopped

CONSTRUCTS = (
    "{}", "**{}**", "__{}__", "*{}*", "_{}_", "~~{}~~", "`{}`", "``{}``", "```\n{}\n```", "~~~\n{}",
    "```python\n{}\n```\n", "# {}\n", "## {}\n\n", "> {}\n", "> > {}\n", "- {}\n", "  - {}\n", "1. {}\n",
    "- [ ] {}\n", "- [x] {}\n", "    {}\n", "[{}](https://example.org/a_b)", "[{}](page.html)",
    "![{}](https://example.org/i.png)", "<{}>", "<div>{}</div>\n", "<b>{}</b>", "<!-- {} -->", "||{}||", "${}$",
    "$${}$$", "| {} | b |\n|---|---|\n| c | d |\n", "[{}]: https://e.org\n", "{}\n===\n", "\\{}", "&amp;{}",
    "{}*", "**{}", "`{}", "```{}", "***{}***", "{}\n\n", "2*{}*4", "{}__x__{}",
)  # fmt: skip
words = st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd"]), min_size=1, max_size=6)
emoji = st.sampled_from(["😀", "👩‍👩‍👧", "🇨🇳", "👍🏽", "é", "汉", "𝔘"])
markdown = st.lists(
    st.tuples(st.sampled_from(CONSTRUCTS), words | emoji, st.sampled_from(["", " ", "\n", "\n\n"])),
    max_size=30,
).map(lambda parts: "".join(construct.replace("{}", word) + gap for construct, word, gap in parts))
anything = st.text(st.characters(exclude_categories=[]), max_size=300)


def utf16(text: str) -> bytes:
    return text.encode("utf-16-le")


def shown(messages: list[Content]) -> str:
    """All that the messages show, with the addresses and languages of their entities."""
    extras = [f"{e.url or ''}{e.language or ''}" for message in messages for e in message.entities]
    return "".join(message.text for message in messages) + "".join(extras)


def letters(text: str) -> Counter[str]:
    unseen = "\u115f\u1160\u3164\uffa0"  # letters by category, blank on every screen
    return Counter(char for char in text if char.isalnum() and char not in unseen)


def assert_sendable(message: Content) -> None:
    assert 0 < len(message.text) <= 4096
    assert message.text.strip()
    assert len(message.entities) <= 100
    units = utf16(message.text)
    for entity in message.entities:
        covered = units[2 * entity.offset : 2 * (entity.offset + entity.length)]
        assert len(covered) == 2 * entity.length > 0
        covered.decode("utf-16-le")  # raises if half of a pair is cut off


@given(markdown | anything)
def test_any_reply_becomes_messages_that_telegram_takes(reply: str) -> None:
    messages = render(reply)
    assert messages
    for message in messages:
        assert_sendable(message)
    assert [m.text for m in render(reply)] == [m.text for m in messages]


@given(markdown)
def test_no_letter_of_any_markdown_is_lost(reply: str) -> None:
    kept = letters(shown(render(reply)))
    kept["x"] += reply.count("[x]")  # a ticked box is shown as a sign
    kept += Counter("amp" * reply.count("&amp;"))
    assert not letters(reply) - kept


@given(anything)
def test_no_letter_of_any_text_is_lost(text: str) -> None:
    assert not letters(text) - letters(shown(render(text)))


@given(
    st.lists(words | emoji, min_size=1, max_size=40),
    st.sampled_from([" ", "\n", "\n\n", "。", ". ", ""]),
    st.integers(1, 100),
)
def test_long_answers_continue_without_losing_a_character(parts: list[str], gap: str, times: int) -> None:
    text = gap.join(parts * times)
    messages = render(text)
    for message in messages:
        assert_sendable(message)
    assert "".join("".join(m.text for m in messages).split()) == "".join(text.split())


@pytest.mark.parametrize("grapheme", ["👩‍👩‍👧‍👦", "🇨🇳", "👍🏽", "é", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "한"])
@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_a_cut_never_goes_through_one_character(grapheme: str, before: int) -> None:
    messages = render("a" * before + grapheme * 5000)
    assert len(messages) > 1
    for message in messages:
        assert not message.text.lstrip("a").replace(grapheme, "")


@pytest.mark.parametrize(
    ("border", "expected_end"),
    [("\n\n", "end"), ("\n", "end"), (". ", "end."), ("。", "end。"), (" ", "end")],
)
def test_cuts_are_made_where_a_reader_pauses(border: str, expected_end: str) -> None:
    first, second = render(f"{'word ' * 700}end{border}{'x' * 1000}")
    assert first.text.endswith(expected_end)
    assert second.text == "x" * 1000


def test_code_that_is_cut_goes_on_as_code() -> None:
    lines = [f"    print({number})" for number in range(500)]
    code = "\n".join(lines)
    messages = render(f"Look:\n```python\n{code}\n```\nDone.")
    assert len(messages) > 1
    blocks = []
    for message in messages:
        (pre,) = message.entities
        assert (pre.type, pre.language) == ("pre", "python")
        blocks.append(utf16(message.text)[2 * pre.offset : 2 * (pre.offset + pre.length)].decode("utf-16-le"))
    assert "\n".join(block.rstrip("\n") for block in blocks) == code


block = st.tuples(st.sampled_from(["```python", "-", "1.", ""]), st.integers(1, 60))


@given(st.lists(block, min_size=8, max_size=30))
def test_a_long_answer_loses_no_fence_and_no_list(blocks: list[tuple[str, int]]) -> None:
    """Wherever it is cut: a line of code is code in its language, an item of a list has its sign, nothing else has."""
    source, lines = [], []
    for number, (kind, size) in enumerate(blocks):
        said = [f"line {number}.{each} of {'words ' * 8}end" for each in range(size)]
        lines += [(kind, line) for line in said]
        signs = {"-": "- {}", "1.": "1. {}", "```python": "    {}", "": "{}\n"}
        body = "\n".join(signs[kind].format(line) for line in said)
        source.append(f"{kind}\n{body}\n```" if kind == "```python" else body)
    messages = render("\n\n".join(source))
    shown_lines = [line for message in messages for line in with_kinds(message) if "line" in line[1]]
    assert [line for _, line in lines] == [line.lstrip(" •0123456789.") for _, line in shown_lines]
    for (kind, said), (is_code, line) in zip(lines, shown_lines, strict=True):
        sign = {"-": "• ", "1.": line.split("line")[0] or "?", "```python": "    ", "": ""}[kind]
        assert line == f"{sign}{said}"
        assert is_code == (kind == "```python")
        assert kind != "1." or sign.strip().rstrip(".").isdecimal()


def with_kinds(message: Content) -> list[tuple[bool, str]]:
    """The lines of a message, and whether each is code in Python."""
    assert_sendable(message)
    code = [e for e in message.entities if e.type == "pre" and e.language == "python"]
    assert len(code) == len(message.entities)
    found, offset = [], 0
    for line in message.text.split("\n"):
        end = offset + len(utf16(line)) // 2
        inside = any(e.offset <= offset and end <= e.offset + e.length for e in code)
        found.append((inside, line))
        offset = end + 1
    return found


def entities(reply: str) -> list[tuple[str, str]]:
    """Kind and covered text of every entity of a one-message reply."""
    (message,) = render(reply)
    units = utf16(message.text)
    return [
        (e.type.value, units[2 * e.offset : 2 * (e.offset + e.length)].decode("utf-16-le"))
        for e in message.entities
    ]


def test_formatting_covers_the_right_words_after_emoji() -> None:
    assert entities("😀👍🏽 **粗体** and `code` 😀 _x_") == [
        ("bold", "粗体"),
        ("code", "code"),
        ("italic", "x"),
    ]


def test_headings_are_bold_without_ornaments() -> None:
    (message,) = render("# Title\n\ntext")
    assert message.text == "Title\n\ntext"


def test_a_list_that_is_all_ones_keeps_them_and_its_formatting() -> None:
    assert entities("1. **a**\n1. `b`\n1. c") == [("bold", "a"), ("code", "b")]
    assert render("3. a\n1. b")[0].text == "3. a\n1. b"


def test_bold_around_code_does_not_overlap_it() -> None:
    assert entities("**use `x` now**") == [("bold", "use "), ("code", "x"), ("bold", " now")]


def test_a_link_around_code_stays_a_link() -> None:
    assert entities("[`f`](https://example.org)") == [("text_link", "f")]


def test_quotes_do_not_nest() -> None:
    assert [kind for kind, _ in entities("> a\n> > b\n\nc")] == ["blockquote"]


@pytest.mark.parametrize(
    "reply",
    [
        "```",
        "<div>hello</div>",
        "2*3*4=24",
        "a || b || c",
        "read [this](docs/page.md)",
        "3. three\n5. five",
        "[key]: https://example.org",
        "$\\frac{a}{b}$",
    ],
)
def test_what_markdown_would_swallow_is_shown_as_written(reply: str) -> None:
    (message,) = render(reply)
    assert message.text == reply


def test_tags_and_dunder_names_stay_visible_beside_formatting() -> None:
    (message,) = render("Use <b> and __init__ in **bold**, `<i>` in code.")
    assert message.text == "Use <b> and __init__ in bold, <i> in code."
    assert [e.type for e in message.entities] == ["bold", "code"]


@pytest.mark.parametrize("reply", ["", " \n ", "\u200b\u3164", "\x01"])
def test_an_empty_reply_still_ends_the_placeholder(reply: str) -> None:
    assert [message.text for message in render(reply)] == ["…"]


def test_more_than_a_hundred_entities_keep_all_text() -> None:
    (message,) = render(" ".join(f"**w{number}**" for number in range(150)))
    assert len(message.entities) == 100
    assert "w149" in message.text


@given(markdown | anything, st.integers(1, 60))
def test_frames_show_everything_and_end_with_the_cursor(partial: str, times: int) -> None:
    messages = frames(partial * times)
    for message in messages:
        assert_sendable(message)
    assert messages[-1].text.endswith("▌")
    assert letters(shown(messages)) == letters(partial * times)


def test_a_growing_text_leaves_finished_messages_alone() -> None:
    text = " ".join(f"word{number}" for number in range(3000))
    before = frames(text[:9000])
    for length in range(9000, len(text), 700):
        now = frames(text[:length])
        assert [message.text for message in now[: len(before) - 1]] == [m.text for m in before[:-1]]
        before = now
    assert len(before) > 5


@pytest.mark.parametrize(
    ("partial", "reply"),
    [
        ("", "⏹"),
        ("Half a sent", "Half a sent\n\n⏹"),
        ("```python\nprint(", "```python\nprint(\n```\n\n⏹"),
        ("````\n```\nx", "````\n```\nx\n````\n\n⏹"),
        ("```\na\n```\nand `b", "```\na\n```\nand `b\n\n⏹"),
        ("~~~ruby\nputs 1\n", "~~~ruby\nputs 1\n~~~\n\n⏹"),
    ],
)
def test_a_stopped_reply_keeps_its_words_and_is_marked_outside_of_code(partial: str, reply: str) -> None:
    assert stopped(partial) == reply
    last = render(reply)[-1]
    assert last.text.endswith("⏹")
    assert not any(e.offset + e.length > len(last.text) - 1 for e in last.entities)


@given(markdown)
def test_a_stopped_reply_loses_no_word(partial: str) -> None:
    missing = letters(shown(render(partial))) - letters(shown(render(stopped(partial))))
    assert set(missing) <= {"x"}  # the mark of a task, which may have become a box


@pytest.mark.parametrize(
    "hostile",
    [
        "~a",
        "$a$1 ",
        ">",
        "- ",
        "[",
        "*a ",
        "`a``b",
        "||a",
        "<a ",
        "![a](b",
        "> a\n\n",
        "- a\n\n\n",
        "$$a",
        "\n",
        "&a",
    ],
)
def test_hostile_text_takes_no_hostile_time(hostile: str) -> None:
    """Time grows with the text, not with its square: twice the text would take four times as long."""

    def seconds(length: int) -> float:
        text, times = hostile * (length // len(hostile)), []
        for _ in range(3):
            start = time.process_time()
            assert len(render(text)) <= 1 + length // 2400
            times.append(time.process_time() - start)
        return min(times)

    assert seconds(12000) < 3 * seconds(6000) + 0.05


def test_a_usual_answer_takes_milliseconds() -> None:
    answer = (
        "This is a **usual** sentence of a usual answer, with `code` in it and 中文.\n\n- an item\n" * 50
    )[:4000]
    times = []
    for _ in range(5):
        start = time.process_time()
        render(answer)
        times.append(time.process_time() - start)
    assert min(times) < 0.02
