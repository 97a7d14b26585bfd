"""Inline queries, answerInlineQuery, and what becomes of a card that somebody sends."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from telegram import (
    Bot,
    InlineQueryResultArticle,
    InlineQueryResultPhoto,
    InlineQueryResultsButton,
    InputTextMessageContent,
)

from bot.sandbox import inline
from bot.sandbox.people import NotPossible, Person
from bot.sandbox.server import Running

Refused = Callable[..., AbstractContextManager[None]]
TOO_OLD = "Bad Request: query is too old and response timeout expired or query ID is invalid"


def card(number: int = 1, text: str = "Good **mood**", **how: Any) -> InlineQueryResultArticle:
    content = InputTextMessageContent(text, **how)
    return InlineQueryResultArticle(str(number), "Title", content, description="About")


async def test_a_query_arrives_and_its_card_is_sent_in_the_persons_name(
    running: Running, bot: Bot, ann: Person
) -> None:
    query = inline.ask(running.world, ann.user, "hello", "Team")
    (update,) = await bot.get_updates()
    assert update.inline_query is not None
    told = update.inline_query
    assert (told.id, told.query, told.chat_type, told.offset) == (query.id, "hello", "supergroup", "")
    assert told.from_user.id == ann.user.id
    await bot.answer_inline_query(told.id, [card(parse_mode="MarkdownV2", text="*Good* mood")])
    assert query.results is not None
    assert [(each.title, each.description) for each in query.results] == [("Title", "About")]
    sent = inline.send(running.world, ann.user, query.id, "1", "Team")
    assert (sent.text, sent.entities[0].type, sent.from_id) == ("Good mood", "bold", ann.user.id)
    # Also with privacy mode the bot sees what came through it.
    (update,) = await bot.get_updates(update.update_id + 1)
    assert update.message is not None
    assert update.message.via_bot == bot.bot


async def test_the_same_words_are_answered_from_memory(
    running: Running, bot: Bot, ann: Person, li_lei: Person, clock: Any
) -> None:
    first = inline.ask(running.world, ann.user, "hello")
    await bot.answer_inline_query(first.id, [card()], cache_time=60, is_personal=True)
    assert inline.ask(running.world, ann.user, "hello") is first
    others = inline.ask(running.world, li_lei.user, "hello")
    assert others is not first
    await bot.answer_inline_query(others.id, [card()], cache_time=120)
    clock.advance(61)
    assert inline.ask(running.world, ann.user, "hello") is others
    clock.advance(60)
    assert inline.ask(running.world, ann.user, "hello") not in (first, others)


async def test_an_answer_that_comes_too_late_or_twice(
    running: Running, bot: Bot, ann: Person, refused: Refused, clock: Any
) -> None:
    query = inline.ask(running.world, ann.user, "hello")
    await bot.answer_inline_query(query.id, [])
    with refused(TOO_OLD):
        await bot.answer_inline_query(query.id, [])
    late = inline.ask(running.world, ann.user, "anybody?")
    clock.advance(inline.LIFETIME_S + 1)
    with refused(TOO_OLD):
        await bot.answer_inline_query(late.id, [])
    assert await bot.get_updates() == ()


async def test_answers_that_telegram_refuses(
    running: Running, bot: Bot, ann: Person, refused: Refused
) -> None:
    query = inline.ask(running.world, ann.user, "hello").id
    with refused("Bad Request: RESULT_ID_DUPLICATE"):
        await bot.answer_inline_query(query, [card(1), card(1)])
    with refused("Bad Request: RESULT_ID_INVALID"):
        await bot.answer_inline_query(query, [card(10**64)])
    with refused("Bad Request: MESSAGE_TOO_LONG"):
        await bot.answer_inline_query(query, [card(text="a" * 4097)])
    with refused("Bad Request: can't parse inline query result: message text is empty"):
        await bot.answer_inline_query(query, [card(text="")])
    photo = InlineQueryResultPhoto("1", "https://example.org/a.jpg", "https://example.org/b.jpg")
    with refused(
        "Bad Request: can't parse inline query result: "
        'type "photo" is unsupported for the inline query result'
    ):
        await bot.answer_inline_query(query, [photo])
    with refused("Bad Request: BUTTON_INVALID"):
        await bot.answer_inline_query(query, [], button=InlineQueryResultsButton("Go", start_parameter="a b"))


async def test_what_the_apps_do_not_offer(running: Running, bot: Bot, ann: Person) -> None:
    query = inline.ask(running.world, ann.user, "hello")
    with pytest.raises(NotPossible, match="no such card"):
        inline.send(running.world, ann.user, query.id, "1")
    with pytest.raises(NotPossible, match="at most 256"):
        inline.ask(running.world, ann.user, "a" * 257)
    running.world.state.inline = False
    with pytest.raises(NotPossible, match="off"):
        inline.ask(running.world, ann.user, "hello")
    assert not (await bot.get_me()).supports_inline_queries
