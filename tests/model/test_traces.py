"""Traces tell what the model was asked and what came of it, whatever came of it."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from bot.model.api import ChatMessage, Delta, Sampling, TooLong
from bot.model.local import LocalModel
from bot.model.parts import LocalSettings
from bot.model.results import Remembering
from bot.model.traces import Trace, Traced, Traces

QUESTION = [ChatMessage("system", "Be kind."), ChatMessage("user", "Hello")]
GREEDY = Sampling(max_new_tokens=12, temperature=0)


@pytest.fixture
def traces() -> Traces:
    return Traces(most=3)


@pytest.fixture
async def model(tiny_model: Path, traces: Traces) -> AsyncIterator[Traced]:
    settings = LocalSettings(weights="fp32", context=256, threads=1)
    async with LocalModel.opened(tiny_model, settings) as local:
        yield Traced(Remembering(local, entries=8, lifetime_s=60), traces, lambda: "question 1")


async def test_a_verdict(model: Traced, traces: Traces) -> None:
    choice = await model.classify("mood", QUESTION, ["a", "b"])
    (trace,) = traces.of("question 1")
    assert (trace.task, trace.messages, trace.choice) == ("mood", tuple(QUESTION), choice)
    assert trace.finish is not None
    assert trace.finish.usage.prompt == model.count_tokens(QUESTION)
    assert trace.load is not None
    assert trace.load.memory_bytes > 0


async def test_reused_tokens_are_counted_and_a_remembered_verdict_has_none(
    model: Traced, traces: Traces
) -> None:
    await model.classify("mood", QUESTION, ["a", "b"])
    await model.classify("mood", [QUESTION[0], ChatMessage("user", "Other")], ["a", "b"])
    await model.classify("mood", QUESTION, ["a", "b"])
    usages = [trace.finish.usage for trace in traces.of("question 1") if trace.finish]
    assert [bool(usage.cached) for usage in usages] == [False, True, False]
    assert [bool(usage.prompt) for usage in usages] == [True, True, False]


async def test_an_answer_as_it_grows(model: Traced, traces: Traces) -> None:
    heard: list[tuple[int, bool]] = []

    def listen(trace: Trace) -> None:
        heard.append((len(trace.pieces), trace.finish is not None))

    traces.listeners.append(listen)
    async with aclosing(model.stream(QUESTION, GREEDY)) as events:
        seen = [event async for event in events]
    (trace,) = traces.of("question 1")
    assert trace.text == "".join(event.text for event in seen if isinstance(event, Delta))
    assert trace.finish == seen[-1]
    assert trace.pieces == sorted(trace.pieces)
    assert heard == [(0, False), (1, False), (len(trace.pieces), True)]


async def test_whatever_ends_early_has_an_end(model: Traced, traces: Traces) -> None:
    async with aclosing(model.stream(QUESTION, Sampling(max_new_tokens=200))) as events:
        await anext(events)
    with pytest.raises(TooLong):
        await model.classify("mood", [ChatMessage("user", "x" * 300)], ["a", "b"])
    stopped, refused = [trace.finish for trace in traces.of("question 1")]
    assert stopped is not None
    assert stopped.reason == "cancelled"
    assert refused is not None
    assert (refused.reason, refused.detail) == ("error", "TooLong")


async def test_only_the_last_ones_are_kept(model: Traced, traces: Traces) -> None:
    for name in "abcde":
        await model.classify(name, QUESTION, ["a", "b"])
    assert [trace.task for trace in traces.of("question 1")] == ["c", "d", "e"]
    assert traces.causes() == ["question 1"]


async def test_what_is_forgotten_is_gone_from_here_too(model: Traced, traces: Traces) -> None:
    await model.classify("mood", QUESTION, ["a", "b"])
    model.clear()
    assert traces.causes() == []
    await model.classify("mood", QUESTION, ["a", "b"])
    (trace,) = traces.of("question 1")
    assert trace.finish is not None
    assert trace.finish.usage.prompt, "it is not remembered any more either"
