"""What the engine's thread tells of itself from outside."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from bot.engine.decoder import Batch, Decoder
from bot.engine.scheduler import ASSUMED, Budget
from bot.model import worker
from bot.model.api import ChatMessage, Sampling
from bot.model.local import LocalModel
from bot.model.parts import LocalSettings


async def test_a_step_that_hangs_is_seen_from_outside(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, release = threading.Event(), threading.Event()
    async with LocalModel.opened(tiny_model, LocalSettings(weights="fp32", context=256, threads=1)) as model:
        await model.settled()
        assert model.load().step_s == 0
        forward = model.forward.forward

        def hanging(*arguments: Any) -> Any:
            entered.set()
            release.wait(60)
            return forward(*arguments)

        monkeypatch.setattr(model.forward, "forward", hanging)
        verdict = asyncio.create_task(model.classify("mood", [ChatMessage("user", "x")], ["a", "b"]))
        await asyncio.to_thread(entered.wait, 60)
        first = model.load().step_s
        while not model.load().step_s > first:  # noqa: ASYNC110  # it grows by itself
            await asyncio.sleep(0)
        release.set()
        await verdict
        while model.load().step_s:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_the_first_pass_does_not_count_as_waiting(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with LocalModel.opened(tiny_model, LocalSettings(weights="fp32", context=256, threads=1)) as model:
        await model.settled()
        forward, begun, entered = model.forward.forward, time.perf_counter(), 0.0

        def slow(*arguments: Any) -> Any:
            nonlocal entered
            entered = time.perf_counter()
            while time.perf_counter() - entered < entered - begun:
                pass
            return forward(*arguments)

        monkeypatch.setattr(model.forward, "forward", slow)
        begun = time.perf_counter()
        choice = await model.classify("mood", [ChatMessage("user", "x")], ["a", "b"])
        assert 0 < choice.usage.queued_s <= entered - begun < choice.usage.total_s


async def test_a_change_that_fails_before_it_begins_changes_nothing(tiny_model: Path) -> None:
    async with LocalModel.opened(tiny_model, LocalSettings(weights="fp32", context=256, threads=1)) as model:
        await model.settled()
        question = [ChatMessage("user", "x")]
        before = await model.classify("mood", question, ["a", "b"])

        def failing() -> Any:
            raise RuntimeError("the new one is broken")

        with pytest.raises(RuntimeError, match="the new one is broken"):
            await asyncio.wrap_future(model._worker.replace(failing))
        assert await model.classify("mood", question, ["a", "b"]) == before
        assert model.crashes == 0


async def test_a_verdict_begins_at_once_and_an_answer_waits_for_it(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "COMPANY_S", threading.TIMEOUT_MAX)
    async with LocalModel.opened(tiny_model, LocalSettings(weights="fp32", context=256, threads=1)) as model:
        await model.settled()
        forward, steps = model.forward.forward, list[str]()

        def recording(batch: Batch, *early: Any) -> Tensor:
            steps.append(model._encoder.decode([token for span in batch.spans for token in span.tokens]))
            return forward(batch, *early)

        monkeypatch.setattr(model.forward, "forward", recording)
        await model.classify("mood", [ChatMessage("user", "alone")], ["a", "b"])
        answer = model.stream([ChatMessage("user", "answered")], Sampling(max_new_tokens=1))
        begun = asyncio.create_task(anext(answer))
        while not model.load().waiting and len(steps) < 2:  # noqa: ASYNC110  # the thread has nobody to tell
            await asyncio.sleep(0)
        await model.classify("mood", [ChatMessage("user", "judged")], ["a", "b"])
        await begun
        await answer.aclose()
    assert ["alone" in steps[0], "judged" in steps[1], "answered" in steps[1]] == [True, True, False]
    assert "answered" in steps[2]


@pytest.fixture
def unmeasured(tmp_path: Path) -> LocalSettings:
    """As at the first start."""
    return LocalSettings(weights="fp32", context=256, threads=1, library_cache=tmp_path / "cache")


async def test_what_steps_cost_is_measured_when_nobody_asks_and_then_known(
    tiny_model: Path, unmeasured: LocalSettings
) -> None:
    async with LocalModel.opened(tiny_model, unmeasured) as model:
        assumed = model._worker._engine.budget
        assert assumed == Budget.for_costs(ASSUMED)
        # Who asks before it is measured is served, and what is measured is not lost.
        assert (await model.classify("mood", [ChatMessage("user", "x")], ["a", "b"])).label in ("a", "b")
        await model.settled()
        measured = model._worker._engine.budget
        assert measured != assumed
    async with LocalModel.opened(tiny_model, unmeasured) as model:
        assert model._worker._engine.budget == measured


async def test_who_asks_waits_for_one_step_of_the_measuring(
    tiny_model: Path, unmeasured: LocalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, release, steps = threading.Event(), threading.Event(), list[set[int]]()
    compute = Decoder.forward

    def recording(decoder: Decoder, batch: Batch, *arguments: Any) -> Tensor:
        steps.append({token for span in batch.spans for token in span.tokens})
        entered.set()
        release.wait(60)
        return compute(decoder, batch, *arguments)

    monkeypatch.setattr(Decoder, "forward", recording)
    async with LocalModel.opened(tiny_model, unmeasured) as model:
        await asyncio.to_thread(entered.wait, 60)
        assert model.load().step_s > 0  # one that hangs is seen
        answer = asyncio.create_task(
            anext(model.stream([ChatMessage("user", "x")], Sampling(max_new_tokens=1)))
        )
        await asyncio.sleep(0)
        release.set()
        await answer
    assert steps[0] == {0}  # what is measured with
    assert len(steps[1]) > 1


async def test_closing_does_not_wait_for_the_measuring(
    tiny_model: Path, unmeasured: LocalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, compute, entered, closing = 0, Decoder.forward, threading.Event(), threading.Event()

    def counting(*arguments: Any) -> Tensor:
        nonlocal steps
        steps += 1
        entered.set()
        closing.wait(60)
        return compute(*arguments)

    monkeypatch.setattr(Decoder, "forward", counting)
    async with LocalModel.opened(tiny_model, unmeasured):
        await asyncio.to_thread(entered.wait, 60)
        asyncio.get_running_loop().call_soon(closing.set)
    assert steps == 1


async def test_a_measuring_that_fails_is_told_and_changes_nothing(
    tiny_model: Path,
    unmeasured: LocalSettings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    compute, calls = Decoder.forward, iter([True])

    def broken(*arguments: Any) -> Tensor:
        if next(calls, False):
            raise RuntimeError("the CPU caught fire")
        return compute(*arguments)

    monkeypatch.setattr(Decoder, "forward", broken)
    async with LocalModel.opened(tiny_model, unmeasured) as model:
        await model.settled()
        assert (await model.classify("mood", [ChatMessage("user", "x")], ["a", "b"])).label in ("a", "b")
        assert model.crashes == 0
        assert model._worker._engine.budget == Budget.for_costs(ASSUMED)
    assert "what steps cost here could not be measured" in caplog.text
