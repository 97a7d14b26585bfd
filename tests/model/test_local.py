"""LocalModel from the outside: one Finish for every request, on every path."""

import asyncio
import contextlib
import subprocess
import sys
from contextlib import aclosing

import pytest

from bot.engine.architecture import read_architecture
from bot.model.api import ChatMessage, Delta, Finish, ModelCrashed, Overloaded, Queued, Sampling, TooLong
from bot.model.local import LocalModel
from bot.model.parts import LocalSettings

GREEDY = Sampling(temperature=0, max_new_tokens=24)
SETTINGS = LocalSettings(weights="fp32", context=1024, running=2, waiting=3, threads=1)


def chat(text, earlier=()):
    return [ChatMessage("system", "Be kind."), *earlier, ChatMessage("user", text)]


@pytest.fixture
async def model(tiny_model):
    async with LocalModel.opened(tiny_model, SETTINGS) as opened:
        await opened.settled()
        yield opened


async def collect(model, messages, sampling=GREEDY, **options):
    """All events of a request; asserts that there is one Finish and that it comes last."""
    async with aclosing(model.stream(messages, sampling, **options)) as events:
        seen = [event async for event in events]
    assert [isinstance(event, Finish) for event in seen] == [False] * (len(seen) - 1) + [True]
    return seen


def text_of(events):
    return "".join(event.text for event in events if isinstance(event, Delta))


async def running_stream(model, *, conversation=None):
    """A stream that has shown its first piece and is far from its end."""
    sampling = Sampling(temperature=0.9, seed=1, max_new_tokens=900, ignore_eos=True)
    stream = model.stream(chat("long"), sampling, conversation=conversation)
    async for event in stream:
        if isinstance(event, Delta):
            return stream
    raise AssertionError("the stream ended before it began")


async def until_waiting(model, count):
    """The engine's thread has seen so many requests that it cannot start yet."""
    while model.load().waiting < count:  # noqa: ASYNC110  # the thread has nobody to tell
        await asyncio.sleep(0)


async def test_an_answer_streams_and_tells_what_it_cost(model):
    events = await collect(model, chat("Hello"))
    finish = events[-1]
    assert text_of(events)
    assert finish.reason in ("length", "stop")
    assert finish.usage.prompt == model.count_tokens(chat("Hello"))
    assert 0 < finish.usage.generated <= 24
    assert 0 < finish.usage.first_token_s <= finish.usage.total_s


async def test_verdict_probabilities_sum_to_one_over_the_labels(model):
    choice = await model.classify("mood", chat("Hello"), ["good", "bad", "so so"])
    assert sum(choice.probabilities.values()) == pytest.approx(1)
    assert choice.probability == max(choice.probabilities.values()) == choice.probabilities[choice.label]


async def test_a_conversation_goes_on_from_what_is_computed(model):
    first = await collect(model, chat("Hello"), conversation="a")
    said = [ChatMessage("user", "Hello"), ChatMessage("assistant", text_of(first))]
    second = await collect(
        model, [ChatMessage("system", "Be kind."), *said, ChatMessage("user", "And?")], conversation="a"
    )
    assert second[-1].usage.cached > first[-1].usage.prompt / 2
    model.forget("a")
    third = await collect(
        model, [ChatMessage("system", "Be kind."), *said, ChatMessage("user", "So?")], conversation="a"
    )
    assert third[-1].usage.cached < first[-1].usage.prompt


async def test_the_same_seed_gives_the_same_answer_in_company(model):
    drawn = Sampling(temperature=1, seed=3, max_new_tokens=30)
    alone = text_of(await collect(model, chat("Hi"), drawn))
    together = await asyncio.gather(*(collect(model, chat(text), drawn) for text in ("Hi", "Something else")))
    assert text_of(together[0]) == alone


async def test_stop_strings_end_an_answer_and_are_not_shown(model):
    whole = text_of(await collect(model, chat("Hello")))
    stop = whole[5:7]
    events = await collect(model, chat("Hello"), Sampling(temperature=0, max_new_tokens=24, stop=(stop,)))
    assert text_of(events) == whole[: whole.index(stop)]
    assert events[-1].reason == "stop"


async def test_closing_the_iterator_ends_the_work(model):
    stream = await running_stream(model)
    await stream.aclose()
    # The next request is handled after the cancellation, so it sees nobody else running.
    await model.classify("mood", chat("x"), ["a", "b"])
    assert model.load().running == 0


async def test_who_waits_learns_its_place_and_is_answered(model):
    streams = [await running_stream(model) for _ in range(2)]
    waiting = asyncio.create_task(collect(model, chat("me too")))
    later = asyncio.create_task(collect(model, chat("and me")))
    await until_waiting(model, 2)
    for stream in streams:
        await stream.aclose()
    for events, place in ((await waiting, 1), (await later, 2)):
        queued = [event for event in events if isinstance(event, Queued)]
        assert queued[0].place == place
        assert text_of(events)


async def test_who_waits_learns_how_long_from_what_answers_took(model, monkeypatch):
    now, forward = 100.0, model.forward.forward

    def in_two_seconds(*arguments):
        nonlocal now
        now += 2
        return forward(*arguments)

    monkeypatch.setattr(model.forward, "forward", in_two_seconds)
    monkeypatch.setattr(model._worker, "_clock", lambda: now)
    [*_, finish] = await collect(model, chat("Hello"), Sampling(temperature=0, max_new_tokens=5))
    took = finish.usage.total_s
    assert took >= 2 * 5
    streams = [await running_stream(model) for _ in range(2)]
    waiting = [model.stream(chat(str(i)), Sampling()) for i in range(3)]
    found = [await anext(events) for events in waiting]
    for stream in (*waiting, *streams):
        await stream.aclose()
    # Two are answered at once, so the third waits for two rounds.
    assert found == [Queued(1, took), Queued(2, took), Queued(3, 2 * took)]


async def test_a_full_queue_refuses_at_once(model):
    streams = [await running_stream(model) for _ in range(2)]
    waiting = [asyncio.create_task(collect(model, chat(str(i)))) for i in range(3)]
    await until_waiting(model, 3)
    refused = await collect(model, chat("one too many"))
    assert refused[-1].reason == "overloaded"
    for stream in streams:
        await stream.aclose()
    assert all(events[-1].reason == "length" for events in await asyncio.gather(*waiting))


async def test_what_does_not_fit_is_said_to_be_too_long(model):
    events = await collect(model, chat("x" * 2000))
    assert events[-1].reason == "too_long"
    with pytest.raises(TooLong, match="1024"):
        await model.classify("mood", chat("x" * 2000), ["a", "b"])


async def test_a_crash_ends_every_request_with_an_error_and_the_next_one_works(model, monkeypatch):
    streams = [await running_stream(model) for _ in range(2)]
    waiting = asyncio.create_task(collect(model, chat("waiting")))
    await until_waiting(model, 1)
    forward = model.forward
    real, calls = forward.forward, iter([True])

    def broken(*arguments):
        if next(calls, False):
            raise RuntimeError("the CPU caught fire")
        return real(*arguments)

    monkeypatch.setattr(forward, "forward", broken)
    for stream in streams:
        assert [event async for event in stream][-1].reason == "error"
    assert (await waiting)[-1].reason == "error"
    assert model.crashes == 1
    assert (await collect(model, chat("again")))[-1].reason == "length"


async def test_a_verdict_in_a_crash_raises(model, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("the CPU caught fire")

    monkeypatch.setattr(model.forward, "forward", broken)
    with pytest.raises(ModelCrashed):
        await model.classify("mood", chat("x"), ["a", "b"])


async def test_closing_the_model_ends_everybody(tiny_model):
    async with LocalModel.opened(tiny_model, SETTINGS) as model:
        stream = await running_stream(model)
        waiting = [asyncio.create_task(collect(model, chat(str(i)))) for i in range(3)]
        await until_waiting(model, 2)
    assert [event async for event in stream][-1].reason == "cancelled"
    for events in await asyncio.gather(*waiting):
        assert events[-1].reason == "cancelled"
    assert (await collect(model, chat("too late")))[-1].reason == "cancelled"
    with pytest.raises(ModelCrashed):
        await model.classify("mood", chat("too late"), ["a", "b"])


async def test_the_event_loop_goes_on_while_the_model_works(model):
    loop = asyncio.get_running_loop()
    gaps, last = [], loop.time()
    working = asyncio.create_task(
        collect(model, chat("x" * 700), Sampling(temperature=0, max_new_tokens=100))
    )
    while not working.done():
        await asyncio.sleep(0)
        now = loop.time()
        gaps.append(now - last)
        last = now
    # Thousands of turns of the loop, not one per step of the model.
    assert len(gaps) > 1000
    with contextlib.suppress(Overloaded):
        await working


START = """
import sys
from pathlib import Path
from bot.model.api import ChatMessage
from bot.model.parts import LocalSettings, load_parts
settings = LocalSettings(weights="fp32", context=64, threads=1, library_cache=None)
load_parts(Path(sys.argv[1]), settings).encoder.prompt([ChatMessage("user", "Hello")])
print("transformers" in sys.modules)
"""


def test_a_start_does_not_wait_for_transformers(tiny_model):
    read_architecture(tiny_model)  # as the first start did
    command = [sys.executable, "-c", START, str(tiny_model)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "False"
