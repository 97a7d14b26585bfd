"""setMessageReaction and answerCallbackQuery."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.constants import ReactionEmoji

from bot.sandbox.methods.reactions import REACTIONS
from bot.sandbox.people import NotPossible, Person
from bot.sandbox.server import Running
from bot.sandbox.world import QUERY_LIFETIME_S

Refused = Callable[..., AbstractContextManager[None]]

ANN = 1001
TOO_OLD = "Bad Request: query is too old and response timeout expired or query ID is invalid"


def test_the_list_of_reactions_is_telegrams() -> None:
    assert sorted(REACTIONS) == sorted(emoji.value.replace("\ufe0f", "") for emoji in ReactionEmoji)


async def test_a_reaction_replaces_the_last(bot: Bot, ann: Person) -> None:
    await ann.say("hi")
    await bot.set_message_reaction(ANN, 1, "👍")
    await bot.set_message_reaction(ANN, 1, "❤")
    assert ann.messages()[0].reactions == {bot.id: ["❤"]}
    await bot.set_message_reaction(ANN, 1, [])
    assert ann.messages()[0].reactions == {}


async def test_reactions_that_telegram_refuses(
    bot: Bot, ann: Person, running: Running, refused: Refused
) -> None:
    await ann.say("hi")
    for emoji in "😄🙂😊😞":
        with refused("Bad Request: REACTION_INVALID"):
            await bot.set_message_reaction(ANN, 1, emoji)
    with refused("Bad Request: REACTIONS_TOO_MANY"):
        await bot.set_message_reaction(ANN, 1, ["👍", "🔥"])
    with refused("Bad Request: message to react not found"):
        await bot.set_message_reaction(ANN, 9, "👍")
    running.world.chat("Ann").allowed_reactions = ["🔥"]
    with refused("Bad Request: REACTION_INVALID"):
        await bot.set_message_reaction(ANN, 1, "👍")


async def ask(bot: Bot, text: str = "sure?") -> int:
    markup = InlineKeyboardMarkup([[InlineKeyboardButton("Yes", callback_data="yes")]])
    return (await bot.send_message(ANN, text, reply_markup=markup)).message_id


async def test_a_pressed_button_is_answered_once(
    bot: Bot, ann: Person, running: Running, refused: Refused
) -> None:
    heard: list[Any] = []
    running.world.listeners.append(lambda event: heard.append(event.data) if event.kind == "answer" else None)
    query_id = await ann.press(await ask(bot), "Yes")
    query = (await bot.get_updates())[0].callback_query
    assert query is not None
    assert (query.id, query.data, query.from_user.id) == (query_id, "yes", ANN)
    await query.answer("Done", show_alert=True)
    assert heard == [{"text": "Done", "alert": True, "user_id": ANN, "id": query_id}]
    with refused(TOO_OLD):
        await query.answer()


async def test_an_old_query_cannot_be_answered(bot: Bot, ann: Person, clock: Any, refused: Refused) -> None:
    query_id = await ann.press(await ask(bot), "Yes")
    clock.advance(QUERY_LIFETIME_S)
    with refused(TOO_OLD):
        await bot.answer_callback_query(query_id)


async def test_a_button_must_be_there(bot: Bot, ann: Person) -> None:
    with pytest.raises(NotPossible, match=r"no button 'No' below message 1: \['Yes'\]"):
        await ann.press(await ask(bot), "No")
