"""Inline mode: `@bot some text`, typed anywhere, asks the bot for cards; one of them can be sent.

What somebody types becomes a query; Telegram's servers answer it from memory where the bot allowed that.
The bot's side is `methods.inline`.
"""

import secrets

from . import wire
from .objects import Chat, InlineQuery, InlineResult, JsonObject, Message, User
from .people import NotPossible, Person
from .world import World

MAX_QUERY = 256
LIFETIME_S = 30
KEPT_QUERIES = 200


def ask(world: World, who: User, text: str, chat: int | str | None = None) -> InlineQuery:
    """Type `@bot text` in a chat; the answer, once it is there, is in the query that comes back."""
    where = world.chat(who.id if chat is None else chat)
    if not world.state.inline:
        raise NotPossible("inline mode is off for this bot")
    if len(text) > MAX_QUERY:
        raise NotPossible(f"an inline query has at most {MAX_QUERY} characters")
    known = _remembered(world, who, text)
    return known or _new(world, who, text, where)


def send(world: World, who: User, query_id: str, result_id: str, chat: int | str | None = None) -> Message:
    """Take one of the cards: its message is sent in one's own name, via the bot."""
    person = Person(world, who)
    result = next(
        (each for each in world.state.inline_queries[query_id].results or [] if each.id == result_id), None
    )
    if result is None:
        raise NotPossible("there is no such card")
    return person.send_via_bot(result.text, result.entities, chat)


def _remembered(world: World, who: User, text: str) -> InlineQuery | None:
    """The same query that was answered before, for everybody or for this person."""
    now = world.clock()
    for query in reversed(world.state.inline_queries.values()):
        fits = query.text == text and query.cached_until > now
        if fits and not (query.is_personal and query.user_id != who.id):
            return query
    return None


def _new(world: World, who: User, text: str, where: Chat) -> InlineQuery:
    query = InlineQuery(id=str(secrets.randbelow(2**63)), user_id=who.id, text=text, date=world.clock())
    queries = world.state.inline_queries
    queries[query.id] = query
    while len(queries) > KEPT_QUERIES:
        del queries[next(iter(queries))]
    body: JsonObject = {
        "id": query.id,
        "from": wire.user(who),
        "chat_type": "sender" if where.type == "private" else where.type,
        "query": text,
        "offset": "",
    }
    world.queue_update("inline_query", body)
    return query


def is_open(world: World, query: InlineQuery | None) -> bool:
    """Whether the bot may still answer."""
    return query is not None and query.results is None and world.clock() - query.date <= LIFETIME_S


def answer(
    world: World,
    query: InlineQuery,
    results: list[InlineResult],
    *,
    cache_s: int,
    is_personal: bool,
    button: JsonObject | None,
) -> None:
    """The bot's cards for a query."""
    query.results, query.button = results, button
    query.cached_until, query.is_personal = world.clock() + cache_s, is_personal
    world.tell("inline", None, {"id": query.id, "user_id": query.user_id})
