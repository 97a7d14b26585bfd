"""Answers that are longer than a message, or formatted: all of it is on the screen, as the model wrote it."""

import pytest

from bot.sandbox.faults import Lost
from bot.transport.render import CURSOR, render, stopped
from tests.e2e.conftest import labels

ITEMS = "\n".join(f"{number}. step **number {number}** of many" for number in range(1, 120))
CODE = "\n".join(f"    value_{number} = compute({number})" for number in range(240))
LONG = f"# How\n\nDo *this*:\n\n{ITEMS}\n\nAnd then:\n\n```python\n{CODE}\n```\n\nThat is `all` 🎉."
SHORT = "Better **short**: 你好 😀 `code`"


def entities(message):
    return [(each.type, each.offset, each.length, each.language) for each in message.entities]


def expected(reply):
    return [
        (content.text, [(e.type.value, e.offset, e.length, e.language) for e in content.entities])
        for content in render(reply)
    ]


@pytest.fixture
def shows(telegram):
    """Wait until the bot's answer in a chat is this reply, formatted; its messages come back."""

    async def shows(reader, reply, chat=None):
        def done(_):
            _verdict, *answer = reader.of_bot(chat) or [None]
            return answer if [(m.text, entities(m)) for m in answer] == expected(reply) else None

        return await telegram.wait_for(done, within=60)

    return shows


@pytest.mark.parametrize("chat", [None, "Team"], ids=["private", "group"])
async def test_a_long_answer_goes_on_in_further_messages_and_rings_once(
    bot, ann, held, telegram, shows, chat
):
    held.script = LONG
    async with bot():
        await ann.person.say("/ask How?", chat)
        answer = await shows(ann, LONG, chat)
        assert len(answer) == 3
        assert [message.silent for message in ann.of_bot(chat)] == [True, False, True, True]
        await telegram.wait_for(lambda _: labels(answer[-1]) == ["🔁 Again"])
        assert [labels(message) for message in answer[:-1]] == [[], []]
        # Another answer takes the place of all of them, and is formatted too.
        held.script = SHORT
        await ann.person.press(answer[-1].message_id, "🔁 Again", chat)
        (short,) = await shows(ann, SHORT, chat)
        assert {kind for kind, *_ in entities(short)} == {"bold", "code"}
        await telegram.wait_for(lambda _: labels(short) == ["🔁 Again"])
        held.script = LONG
        await ann.person.press(short.message_id, "🔁 Again", chat)
        await shows(ann, LONG, chat)
    assert [message.silent for message in ann.of_bot(chat)] == [True, False, True, True]
    assert short.message_id == answer[0].message_id


async def test_again_is_taken_as_soon_as_it_is_on_the_screen_and_pressed_twice_it_is_one_wish(
    bot, ann, held, telegram, shows, notes
):
    held.script = LONG
    async with bot():
        await ann.person.say("How?")
        answer = await shows(ann, LONG)
        await telegram.wait_for(lambda _: labels(answer[-1]) == ["🔁 Again"])
        held.script = SHORT
        lost = telegram.sandbox.faults.order(Lost(), method="editMessageText")
        await ann.person.press(answer[-1].message_id, "🔁 Again")
        # The new answer is there, with its button, but the bot has not heard of it yet.
        await telegram.wait_for(lambda _: labels(answer[0]) == ["🔁 Again"], within=60)
        lost.times = lost.hits
        held.script = LONG
        await ann.person.press(answer[0].message_id, "🔁 Again")
        await ann.person.press(answer[0].message_id, "🔁 Again")
        await shows(ann, LONG)
    assert notes == ["", "I am still writing.", ""]
    assert len(held.prompts) == 3


async def test_while_it_grows_what_is_full_stands_still_and_a_stop_keeps_all(bot, ann, held, telegram, shows):
    held.script = LONG
    held.hold(after=5000)
    async with bot():
        await ann.person.say("How?")
        await telegram.wait_for(
            lambda _: [m.text[-1] == CURSOR for m in ann.of_bot()] == [False, False, True]
        )
        _verdict, full, growing = ann.of_bot()
        assert (labels(full), labels(growing)) == ([], ["⏹ Stop"])
        await ann.person.press(growing.message_id, "⏹ Stop")
        answer = await shows(ann, stopped(LONG[:5000]))
    assert [message.message_id for message in answer] == [full.message_id, growing.message_id]
    assert answer[-1].text.endswith("⏹")
