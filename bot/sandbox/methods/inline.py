"""answerInlineQuery. Of the kinds of results the sandbox knows the article, a card that sends a text."""

import re
from typing import Annotated

from bot.sandbox import entities, inline
from bot.sandbox.errors import bad_request
from bot.sandbox.objects import Entity, InlineResult, JsonObject, Thing
from bot.sandbox.params import Decoded, Flag, Params

from .registry import Api, method
from .sending import written

MAX_RESULTS, MAX_ID_BYTES, MAX_OFFSET_BYTES = 50, 64, 64
DEFAULT_CACHE_S = 300
_START = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Content(Thing):
    """InputTextMessageContent."""

    message_text: str = ""
    parse_mode: str = ""
    entities: list[Entity] | None = None


class Article(Thing):
    """InlineQueryResultArticle."""

    type: str = ""
    id: str = ""
    title: str = ""
    description: str = ""
    input_message_content: Content | None = None


class AnswerInlineQuery(Params):
    inline_query_id: str = ""
    results: Annotated[list[Article] | None, Decoded] = None
    cache_time: int = DEFAULT_CACHE_S
    is_personal: Flag = False
    next_offset: str = ""
    button: Annotated[JsonObject | None, Decoded] = None


@method("answerInlineQuery", AnswerInlineQuery)
def answer_inline_query(api: Api, p: AnswerInlineQuery) -> bool:
    results = [_result(api, each) for each in p.results or []]
    if len(results) > MAX_RESULTS:
        raise bad_request("RESULTS_TOO_MUCH")
    if len({each.id for each in results}) < len(results):
        raise bad_request("RESULT_ID_DUPLICATE")
    if len(p.next_offset.encode()) > MAX_OFFSET_BYTES:
        raise bad_request("NEXT_OFFSET_INVALID")
    query = api.world.state.inline_queries.get(p.inline_query_id)
    if query is None or not inline.is_open(api.world, query):
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    inline.answer(
        api.world, query, results, cache_s=p.cache_time, is_personal=p.is_personal, button=_button(p.button)
    )
    return True


def _result(api: Api, article: Article) -> InlineResult:
    problem = "can't parse inline query result: "
    if article.type != "article":
        raise bad_request(f'{problem}type "{article.type}" is unsupported for the inline query result')
    if not 1 <= len(article.id.encode()) <= MAX_ID_BYTES:
        raise bad_request("RESULT_ID_INVALID")
    if not article.title:
        raise bad_request("ARTICLE_TITLE_EMPTY")
    content = article.input_message_content
    if content is None or not content.message_text:
        raise bad_request(f"{problem}message text is empty")
    text, found = written(api, content.message_text, content.parse_mode, content.entities)
    if len(text) > entities.MAX_TEXT:
        raise bad_request("MESSAGE_TOO_LONG")
    return InlineResult(
        id=article.id, title=article.title, description=article.description, text=text, entities=found
    )


def _button(button: JsonObject | None) -> JsonObject | None:
    """A line above the cards that leads into the private chat."""
    if button is None:
        return None
    start = str(button.get("start_parameter", ""))
    if not button.get("text") or not _START.fullmatch(start):
        raise bad_request("BUTTON_INVALID")
    return button
