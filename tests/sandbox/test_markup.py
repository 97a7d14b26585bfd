"""parse_mode, in all three kinds, with Telegram's refusals."""

import pytest

from bot.sandbox.entities import EntityError, cut
from bot.sandbox.markup import parse


def parsed(text: str, mode: str) -> tuple[str, list[tuple[str, str]]]:
    plain, entities = parse(text, mode)
    return plain, [(entity.type, cut(plain, entity)) for entity in entities]


@pytest.mark.parametrize(
    ("source", "plain", "entities"),
    [
        ("<b>bo<i>th</i></b>", "both", [("bold", "both"), ("italic", "th")]),
        (
            "<u>a</u><s>b</s><tg-spoiler>c</tg-spoiler>",
            "abc",
            [("underline", "a"), ("strikethrough", "b"), ("spoiler", "c")],
        ),
        ("<code>&lt;x&gt; &amp; &#128512;</code>", "<x> & 😀", [("code", "<x> & 😀")]),
        ("<blockquote expandable>q</blockquote>", "q", [("expandable_blockquote", "q")]),
        ('<span class="tg-spoiler">s</span>', "s", [("spoiler", "s")]),
        ("&nbsp; a &lt b", "&nbsp; a &lt b", []),
    ],
)
def test_html(source: str, plain: str, entities: list[tuple[str, str]]) -> None:
    assert parsed(source, "HTML") == (plain, entities)


def test_html_with_details() -> None:
    _, (code, link) = parse(
        '<pre><code class="language-python">x</code></pre><a href="https://e.org/?a=1&amp;b">y</a>', "html"
    )
    assert (code.type, code.language, link.url) == ("pre", "python", "https://e.org/?a=1&b")


@pytest.mark.parametrize(
    ("source", "plain", "entities"),
    [
        (
            "*b* _i_ __u__ ~s~ ||x||",
            "b i u s x",
            [("bold", "b"), ("italic", "i"), ("underline", "u"), ("strikethrough", "s"), ("spoiler", "x")],
        ),
        ("*a _b_*", "a b", [("bold", "a b"), ("italic", "b")]),
        (r"1\. \*x\*", "1. *x*", []),
        (r"`a*b\`c`", "a*b`c", [("code", "a*b`c")]),
        ("```python\nx = 1\n```", "x = 1\n", [("pre", "x = 1\n")]),
        (">one\n>two\nthree", "one\ntwo\nthree", [("blockquote", "one\ntwo")]),
        (">one\n>two||", "one\ntwo", [("expandable_blockquote", "one\ntwo")]),
        (r"[a](https://e.org/\))", "a", [("text_link", "a")]),
        ("![😀](tg://emoji?id=5)", "😀", [("custom_emoji", "😀")]),
    ],
)
def test_markdown_v2(source: str, plain: str, entities: list[tuple[str, str]]) -> None:
    assert parsed(source, "MarkdownV2") == (plain, entities)


def test_old_markdown() -> None:
    assert parsed("*b* 1. `c` [l](https://e.org)", "Markdown") == (
        "b 1. c l",
        [("bold", "b"), ("code", "c"), ("text_link", "l")],
    )


@pytest.mark.parametrize(
    ("mode", "source", "refusal"),
    [
        ("HTML", "<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("HTML", "é<x>", 'Unsupported start tag "x" at byte offset 2'),
        ("HTML", "a</b>", "Unexpected end tag at byte offset 1"),
        ("HTML", "<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("HTML", "1 < 2", "Unclosed start tag at byte offset 2"),
        ("MarkdownV2", "hi.", "Character '.' is reserved and must be escaped with the preceding '\\'"),
        ("MarkdownV2", "é*x", "Can't find end of Bold entity at byte offset 2"),
        ("MarkdownV2", "```x", "Can't find end of Pre entity at byte offset 0"),
        ("Markdown", "a_b", "Can't find end of the entity starting at byte offset 1"),
    ],
)
def test_refusals(mode: str, source: str, refusal: str) -> None:
    with pytest.raises(EntityError) as refused:
        parse(source, mode)
    assert str(refused.value) == f"can't parse entities: {refusal}"


def test_unknown_mode() -> None:
    with pytest.raises(EntityError, match="unsupported parse_mode"):
        parse("x", "BBCode")
