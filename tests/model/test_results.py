"""What is remembered is given again without the model, and only what may be."""

from contextlib import aclosing

import pytest

from bot.model.api import ChatMessage, Delta, Finish, Sampling
from bot.model.local import LocalModel
from bot.model.parts import LocalSettings
from bot.model.results import Remembering

DRAWN = Sampling(temperature=1, max_new_tokens=400)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def model(tiny_model, clock):
    async with LocalModel.opened(tiny_model, LocalSettings(weights="fp32", context=1024)) as local:
        yield Remembering(local, entries=2, lifetime_s=60, greetings=["Hello", "你好"], clock=clock)


def ask(text, system="Be kind."):
    return [ChatMessage("system", system), ChatMessage("user", text)]


async def answer(model, messages, sampling=DRAWN):
    async with aclosing(model.stream(messages, sampling)) as events:
        seen = [event async for event in events]
    assert isinstance(seen[-1], Finish)
    return "".join(event.text for event in seen if isinstance(event, Delta)), seen[-1]


async def stopped_answer(model, messages):
    """An answer that came to its own end, as only those are remembered; stop strings end it soon, not at once."""
    sampling = Sampling(temperature=1, max_new_tokens=400, stop=("a", "e", "1", "X", "\n"), seed=1)
    return sampling, await answer(model, messages, sampling)


async def test_a_verdict_is_remembered_by_text_task_and_labels(model):
    first = await model.classify("mood", ask("x"), ["a", "b"])
    assert await model.classify("mood", ask("x"), ["a", "b"]) == first
    assert (model.hits, model.misses) == (1, 1)
    for task, messages, labels in (
        ("other", ask("x"), ["a", "b"]),
        ("mood", ask("x "), ["a", "b"]),
        ("mood", ask("x", "Be rude."), ["a", "b"]),
        ("mood", ask("x"), ["b", "a"]),
    ):
        await model.classify(task, messages, labels)
    assert model.hits == 1


async def test_verdicts_are_forgotten_after_their_lifetime_and_when_there_are_too_many(model, clock):
    first = await model.classify("mood", ask("x"), ["a", "b"])
    clock.now = 61
    assert await model.classify("mood", ask("x"), ["a", "b"]) is not first
    for text in "yz":
        await model.classify("mood", ask(text), ["a", "b"])
    misses = model.misses
    await model.classify("mood", ask("x"), ["a", "b"])
    assert model.misses == misses + 1


async def test_the_answer_to_an_opening_greeting_is_remembered(model):
    sampling, (first, finish) = await stopped_answer(model, ask("Hello!"))
    assert finish.reason == "stop"
    assert first
    assert await answer(model, ask("Hello!"), sampling) == (first, Finish("stop", type(finish.usage)()))
    assert (model.hits, model.misses) == (1, 1)


async def test_an_answer_that_is_cut_off_was_asked_for_all_the_same(model):
    _, finish = await answer(model, ask("Hello!"), Sampling(max_new_tokens=1))
    assert finish.reason == "length"
    assert (model.hits, model.misses) == (0, 1)


async def test_no_other_answer_is_remembered(model):
    later = [*ask("Hello"), ChatMessage("assistant", "Hi"), ChatMessage("user", "Hello")]
    for messages in (ask("Hello, my name is Ann"), later):
        sampling, _ = await stopped_answer(model, messages)
        _, finish = await answer(model, messages, sampling)
        assert finish.usage.prompt > 0
    assert model.hits == 0


async def test_no_words_are_kept(model):
    await model.classify("mood", ask("my secret"), ["a", "b"])
    assert "my secret" not in repr(vars(model)["_choices"])
