"""What is asked, read from updates as Telegram sends them."""

from typing import Any

import pytest
from telegram import Message, Update, User

from bot.handlers.edits import Edits
from bot.handlers.questions import LONGEST_QUOTE, Questions

ME = User(7, "Tandem", True, username="tandem_bot")
ANN = {"id": 1001, "first_name": "Ann", "last_name": "Lee", "is_bot": False}
TEAM = {"id": -100, "type": "supergroup", "title": "Team"}


@pytest.fixture
def edits() -> Edits:
    return Edits()


@pytest.fixture
def questions(edits: Edits) -> Questions:
    return Questions(ME, edits)


def message(text: str, **fields: Any) -> dict[str, Any]:
    return {"message_id": 5, "date": 1, "chat": TEAM, "from": ANN, "text": text, **fields}


def update(text: str, kind: str = "message", **fields: Any) -> Update:
    command = {"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])}
    entities = [command] if text.startswith("/") else []
    return Update.de_json({"update_id": 1, kind: message(text, entities=entities, **fields)}, None)


LI_LEI = message(
    "I like\ntea", **{"message_id": 3, "from": {"id": 1002, "first_name": "李雷", "is_bot": False}}
)


def test_ask_is_a_question_with_what_it_replies_to(questions: Questions) -> None:
    question = questions.of(update("/ask@Tandem_Bot  Is that\ngood? ", reply_to_message=LI_LEI))
    assert question is not None
    assert question.text == "Is that\ngood?"
    assert question.quote is not None
    assert question.quote.block == "> 李雷: I like\n> tea"
    assert not question.quote.chosen


@pytest.mark.parametrize("text", ["/ask", "/ask@tandem_bot"])
def test_ask_without_words_asks_what_the_message_says(questions: Questions, text: str) -> None:
    question = questions.of(update(text, reply_to_message=LI_LEI))
    assert question is not None
    assert (question.text, question.quote) == ("I like\ntea", None)
    assert questions.of(update(text)) is None


def test_what_is_not_for_the_bot_is_no_question(questions: Questions) -> None:
    assert questions.of(update("/ask@other_bot hi")) is None
    assert questions.of(update("hi", reply_to_message=LI_LEI)) is None


def test_chosen_words_are_quoted_alone(questions: Questions) -> None:
    quote = {"text": "tea", "position": 7, "is_manual": True}
    question = questions.of(update("/ask why?", reply_to_message=LI_LEI, quote=quote))
    assert question is not None
    assert question.quote is not None
    assert (question.quote.block, question.quote.chosen) == ("> 李雷: tea", True)


def test_long_quotes_are_cut_and_captions_are_words(questions: Questions) -> None:
    long = LI_LEI | {"text": None, "caption": "x" * 9000}
    question = questions.of(update("/ask why?", reply_to_message=long))
    assert question is not None
    assert question.quote is not None
    assert len(question.quote.block) < LONGEST_QUOTE + 20
    assert question.quote.block.endswith("x…")


def test_the_first_message_of_a_topic_is_no_quote(questions: Questions) -> None:
    opened = LI_LEI | {"text": None, "forum_topic_created": {"name": "News", "icon_color": 1}}
    question = questions.of(update("/ask why?", reply_to_message=opened))
    assert question is not None
    assert question.quote is None


def test_a_message_that_was_edited_while_it_waited_says_the_new(questions: Questions, edits: Edits) -> None:
    old = update("/ask old")
    assert isinstance(old.message, Message)
    edits.note(old.message, "new")
    question, edited = questions.of(old), questions.of(update("/ask newer", kind="edited_message"))
    assert question is not None
    assert edited is not None
    assert (question.text, edited.text) == ("new", "newer")
