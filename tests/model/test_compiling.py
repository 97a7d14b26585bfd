"""A start with nothing compiled: the model works at once, and goes on with the compiled engine when there is one."""

import asyncio
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bot.engine.native import library
from bot.model.api import ChatMessage, Delta, Finish, Sampling
from bot.model.local import LocalModel
from bot.model.parts import LocalSettings

MakeGate = Callable[..., "Gate"]


@pytest.fixture
def settings(tmp_path: Path) -> LocalSettings:
    """Nothing is compiled yet."""
    return LocalSettings(context=1024, threads=1, library_cache=tmp_path / "native")


class Gate:
    """The only compiler that is found: it waits until it is let through, and tells who it is."""

    def __init__(self, folder: Path, then: str) -> None:
        self._folder = folder
        script = folder / "g++"
        path = f"PATH={os.environ['PATH']}"
        told = f"echo $$ > {folder}/pid.part; mv {folder}/pid.part {folder}/pid"
        script.write_text(
            f"#!/bin/sh\n{path}\n{told}\nuntil [ -e {folder}/open ]; do sleep 0.02; done\n{then}\n"
        )
        script.chmod(0o755)

    @property
    def pid(self) -> int:
        """Of the compiler, once it runs."""
        file = self._folder / "pid"
        return int(file.read_text()) if file.exists() else 0

    def open(self) -> None:
        (self._folder / "open").touch()


@pytest.fixture
def make_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeGate:
    def make(then: str) -> Gate:
        folder = tmp_path / "bin"
        folder.mkdir()
        gate = Gate(folder, then)
        monkeypatch.setenv("PATH", str(folder))
        return gate

    return make


async def answer(model: LocalModel, conversation: str | None = None, tokens: int = 24) -> tuple[str, Finish]:
    """The whole text of a greedy answer, and its end."""
    shown = ""
    sampling = Sampling(temperature=0, max_new_tokens=tokens, ignore_eos=True)
    async for event in model.stream([ChatMessage("user", "Hello")], sampling, conversation=conversation):
        if isinstance(event, Delta):
            shown += event.text
        elif isinstance(event, Finish):
            return shown, event
    raise AssertionError("an answer without an end")


async def until(seen: Callable[[], object]) -> None:
    while not seen():  # noqa: ASYNC110  # another process has nobody to tell
        await asyncio.sleep(0)


async def test_it_answers_before_and_after_and_says_what_changed(
    tiny_model: Path, settings: LocalSettings, make_gate: MakeGate, caplog: pytest.LogCaptureFixture
) -> None:
    gate = make_gate(f'exec {shutil.which("g++")} "$@"')
    caplog.set_level("INFO")
    async with LocalModel.opened(tiny_model, settings) as model:
        await until(lambda: gate.pid)
        await until(lambda: os.getpriority(os.PRIO_PROCESS, gate.pid) == 19)
        first = model.backend.name
        assert first != "native"
        assert (await answer(model, "a"))[0]
        gate.open()
        # Answers never cease, and one of them is under way when the engine changes.
        settled = asyncio.create_task(model.settled())
        ends = []
        while not settled.done():
            ends.append(await answer(model, tokens=200))
        assert all(end.reason == "length" and end.usage.generated == 200 and text for text, end in ends)
        assert model.backend.name == "native"
        # The conversation goes on from what the other engine computed for it.
        after, end = await answer(model, "a")
        assert after
        assert end.usage.cached > 0
        model.clear()
        after, _ = await answer(model)
    told = [record.getMessage() for record in caplog.records]
    assert any(f"with {first} (native is not compiled yet" in line for line in told)
    assert any("goes on with native (compiled for" in line for line in told)
    assert len(compiled(settings)) == 1
    # The next start has it from the beginning.
    async with LocalModel.opened(tiny_model, settings) as model:
        assert model.backend.name == "native"
        assert (await answer(model))[0] == after


async def test_without_a_compiler_it_works_and_says_so(
    tiny_model: Path,
    settings: LocalSettings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("PATH", "")
    caplog.set_level("INFO")
    async with LocalModel.opened(tiny_model, settings) as model:
        await model.settled()
        assert (await answer(model))[0]
        assert model.backend.name != "native"
    assert "native: no C++ compiler found" in caplog.text


async def test_a_compiler_that_fails_changes_nothing_and_is_told_with_its_reason(
    tiny_model: Path, settings: LocalSettings, make_gate: MakeGate, caplog: pytest.LogCaptureFixture
) -> None:
    gate = make_gate("echo 'decoder.cpp:1: no room left' >&2; exit 1")
    async with LocalModel.opened(tiny_model, settings) as model:
        before, _ = await answer(model)
        gate.open()
        await model.settled()
        assert (await answer(model))[0] == before
        assert model.backend.name != "native"
        stays = f"the model stays with {model.backend.name}"
    assert stays in caplog.text
    assert "no room left" in caplog.text
    assert compiled(settings) == []


async def test_what_was_compiled_and_cannot_be_loaded_changes_nothing(
    tiny_model: Path, settings: LocalSettings, make_gate: MakeGate, caplog: pytest.LogCaptureFixture
) -> None:
    # The target is what follows -o.
    gate = make_gate('while [ "$1" != -o ]; do shift; done; echo nothing of use > "$2"')
    async with LocalModel.opened(tiny_model, settings) as model:
        gate.open()
        await model.settled()
        assert (await answer(model))[0]
        assert model.backend.name != "native"
    assert "cannot be loaded" in caplog.text


@pytest.mark.parametrize("compiler", ["one that waits", "the real one"])
async def test_closing_while_it_compiles_leaves_no_process_and_no_file(
    tiny_model: Path,
    settings: LocalSettings,
    make_gate: MakeGate,
    caplog: pytest.LogCaptureFixture,
    compiler: str,
) -> None:
    gate = make_gate("exit 0") if compiler == "one that waits" else None

    def started() -> bool:
        # g++ is only the parent of what compiles.
        return gate.pid > 0 if gate else len(psutil.Process().children(recursive=True)) > 1

    async with LocalModel.opened(tiny_model, settings) as model:
        await until(started)
        children = psutil.Process().children(recursive=True)
        assert children
        assert (await answer(model))[0]
    psutil.wait_procs(children)
    assert compiled(settings) == []
    assert caplog.records == []


async def test_who_insists_on_the_compiled_engine_waits_for_it(
    tiny_model: Path, settings: LocalSettings, make_gate: MakeGate
) -> None:
    cache = LocalSettings().library_cache
    assert cache is not None
    library.load(cache)
    gate = make_gate(f'while [ "$1" != -o ]; do shift; done; cp {library.file(cache)} "$2"')
    opening = asyncio.create_task(name_when_opened(tiny_model, replace(settings, weights="native")))
    await until(lambda: gate.pid)
    assert not opening.done()
    gate.open()
    assert await opening == "native"


def compiled(settings: LocalSettings) -> list[Path]:
    """What compilers have left, beside what is kept of measurements."""
    assert settings.library_cache is not None
    return [path for path in settings.library_cache.iterdir() if not path.match("costs-*.json")]


async def name_when_opened(folder: Path, settings: LocalSettings) -> str:
    async with LocalModel.opened(folder, settings) as model:
        return model.backend.name
