"""The whole bot, as its users meet it: the sandbox over HTTP, the real client, a database on disk, a model."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot import app
from bot.cli.hood import Hood
from bot.config import Config, Database, ModelSettings, Telegram
from bot.model.api import Delta, Finish, Reason, Usage
from bot.sandbox.objects import Message
from bot.sandbox.people import Person
from bot.sandbox.server import Running, Sandbox, serve
from bot.tasks.sentiment import NOTHING
from tests.clock import Clock

Living = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
def hood() -> Hood | None:
    """Tests that look under the hood have one."""
    return None


@pytest.fixture
def clock() -> Clock | None:
    """Tests of hours and days have one."""
    return None


@pytest.fixture
async def running(hood: Hood | None, clock: Clock | None) -> AsyncIterator[Running]:
    """A local Telegram with flood control; without where the clock stands still, or nobody could ever write again."""
    async with AsyncExitStack() as stack:
        sandbox = Sandbox(clock or time.time, limits=clock is None, hood=hood.app if hood else None)
        running = await stack.enter_async_context(serve(sandbox))
        if hood:
            await stack.enter_async_context(hood.opened(running.world))
        yield running


@pytest.fixture
def telegram(running: Running) -> Running:
    """The same, by the name of what it stands for."""
    return running


@pytest.fixture
def configure(telegram: Running, tmp_path: Path) -> Callable[..., Config]:
    """The configuration of a bot on the sandbox; every call names the same database."""

    def make(**sections: object) -> Config:
        url = f"sqlite+aiosqlite:///{tmp_path / 'tandem.sqlite3'}"
        admin = telegram.person("Ann").user.id
        given = {
            "telegram": Telegram(token=telegram.token, base_url=telegram.base_url, admins=(admin,)),
            "database": Database(url=url),
            "model": ModelSettings(context=2048, threads=1),
        }
        return Config(**given | sections)

    return make


@pytest.fixture
def bot(configure: Callable[..., Config], tiny_model: Path, hood: Hood | None, clock: Clock | None) -> Living:
    """`async with bot():` – the bot runs on the tiny random model."""
    usual = clock or time.time

    @asynccontextmanager
    async def run(
        folder: Path = tiny_model, clock: Callable[[], float] = usual, **sections: object
    ) -> AsyncIterator[None]:
        watched = hood.watch if hood else app.unwatched
        async with app.running(configure(**sections), folder, clock, watched=watched):
            yield

    return run


@pytest.fixture
def real_bot(bot: Living, real_model_folder: Path) -> Living:
    """The same on the real model."""
    return lambda **sections: bot(real_model_folder, **{"model": ModelSettings()} | sections)


class Held:
    """The model in the test's hands: answers stand still when `after` characters are written, until `release`.

    `prompts` are the messages of all answers that were asked for, `written` what the model wrote by the question,
    `judged` the texts that were, and `forgotten` the conversations. `beat` is waited for behind each piece of an
    answer. `busy` counts what is being computed. With a `script` the model says that, whatever it is
    asked, and ends for that `reason`.
    """

    def __init__(self) -> None:
        self.busy = 0
        self.script: str | None = None
        self.reason: Reason = "stop"
        self.beat: Callable[[], Awaitable[None]] | None = None
        self.written: dict[str, str] = {}
        self.after: int | None = None
        self.released = asyncio.Event()
        self.prompts: list[list[tuple[str, str]]] = []
        self.judged: list[str] = []
        self.forgotten: list[str] = []
        self._model: Any = None

    def around(self, model: Any) -> "Held":
        self._model = model
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def hold(self, after: int = 20) -> None:
        self.after = after
        self.released.clear()

    def release(self) -> None:
        self.after = None
        self.released.set()

    async def classify(self, task: str, messages: Any, labels: Any) -> Any:
        if messages[-1].text != NOTHING:  # which asks for the model's prejudice
            self.judged.append(messages[-1].text)
        with self._computing():
            return await self._model.classify(task, messages, labels)

    def forget(self, conversation: str) -> None:
        self.forgotten.append(conversation)
        self._model.forget(conversation)

    async def stream(self, messages: Any, sampling: Any, *, conversation: str | None = None) -> Any:
        self.prompts.append([(message.role, message.text) for message in messages])
        question, written = messages[-1].text, ""
        if self.after is not None:  # chance must not end it before the test does
            sampling = replace(sampling, ignore_eos=True)
        told = self._model.stream(messages, sampling, conversation=conversation)
        if self.script is not None:
            told = recited(self.script, self.reason)
        async with aclosing(told) as events:
            while (event := await self._next(events)) is not None:
                yield event
                self.written[question] = written = written + getattr(event, "text", "")
                if self.beat is not None:
                    await self.beat()
                if self.after is not None and len(written) >= self.after:
                    await self.released.wait()

    async def _next(self, events: AsyncIterator[Any]) -> Any:
        with self._computing():
            return await anext(events, None)

    @contextmanager
    def _computing(self) -> Iterator[None]:
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1


async def recited(script: str, reason: Reason) -> AsyncIterator[Any]:
    """A script as a model would say it."""
    for start in range(0, len(script), 40):
        yield Delta(script[start : start + 40])
    yield Finish(reason, Usage())


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    """Every bot of this test runs on a model that the test can hold."""
    held, open_model = Held(), app.open_model

    async def open_held(*how: Any) -> Any:
        opened = await open_model(*how)

        @asynccontextmanager
        async def holding() -> AsyncIterator[Held]:
            async with opened as model:
                yield held.around(model)

        return holding()

    monkeypatch.setattr(app, "open_model", open_held)
    return held


class Reader:
    """Reads a chat over a person's shoulder."""

    def __init__(self, telegram: Running, name: str) -> None:
        self.telegram = telegram
        self.person: Person = telegram.person(name)

    def of_bot(self, chat: str | None = None) -> list[Message]:
        """The bot's messages, oldest first."""
        bot_id = self.telegram.world.bot.id
        return [message for message in self.person.messages(chat) if message.from_id == bot_id]

    async def turn(self, text: str, chat: str | None = None, **how: object) -> tuple[Message, Message]:
        """Say something and wait for the verdict and the finished answer."""
        before = len(self.of_bot(chat))
        await self.person.say(text, chat, **how)
        return await self.answer(before, chat)

    async def answer(self, before: int = 0, chat: str | None = None) -> tuple[Message, Message]:
        """The verdict and the finished answer behind the first `before` messages of the bot."""

        def done(_: object) -> list[Message]:
            new = self.of_bot(chat)[before:]
            return new if len(new) >= 2 and not is_growing(new[1]) else []

        verdict, final = (await self.telegram.wait_for(done, within=120))[:2]
        return verdict, final

    async def growing(self, text: str, chat: str | None = None, **how: object) -> Message:
        """Say something and wait until its answer has begun to grow."""
        before = len(self.of_bot(chat))
        await self.person.say(text, chat, **how)

        def grown(_: object) -> Message | None:
            new = self.of_bot(chat)[before:]
            return new[1] if len(new) == 2 and len(new[1].text or "") > 1 and is_growing(new[1]) else None

        return await self.telegram.wait_for(grown, within=60)

    async def finished(self, message_id: int, chat: str | None = None) -> Message:
        """Wait until a message of the bot does not grow any more."""

        def done(_: object) -> Message | None:
            message = next(each for each in self.of_bot(chat) if each.message_id == message_id)
            return None if is_growing(message) else message

        return await self.telegram.wait_for(done, within=60)

    async def reply(self, text: str, chat: str | None = None, **how: object) -> Message:
        """Say something that is answered with one message at once."""
        before = len(self.of_bot(chat))
        await self.person.say(text, chat, **how)
        return (await self.telegram.wait_for(lambda _: self.of_bot(chat)[before:], within=60))[0]


def is_growing(message: Message) -> bool:
    """Whether an answer is still being written: it ends in the cursor."""
    return (message.text or "").endswith(("▌", "…")) or "⏳" in (message.text or "")


def labels(message: Message) -> list[str]:
    """The buttons below a message."""
    return [button.text for row in message.keyboard or [] for button in row]


def reactions(telegram: Running, message: Message, chat: str = "Team") -> list[str] | None:
    """The bot's own to a message."""
    found = telegram.world.chat(chat).messages[message.message_id]
    return found.reactions.get(telegram.world.bot.id)


@pytest.fixture
def notes(telegram: Running) -> list[str]:
    """What pressed buttons answered."""
    found: list[str] = []
    telegram.world.listeners.append(
        lambda event: found.append(event.data["text"]) if event.kind == "answer" else None
    )
    return found


@pytest.fixture
def handled(telegram: Running, tmp_path: Path) -> Callable[[], Awaitable[None]]:
    """Everything that was said has been dealt with, answered or not."""

    def undone() -> int:
        with sqlite3.connect(tmp_path / "tandem.sqlite3") as connection:
            query = "SELECT count(*) FROM updates WHERE state = 'received'"
            return len(telegram.world.state.pending) or connection.execute(query).fetchone()[0]

    async def wait() -> None:
        async with asyncio.timeout(30):
            while undone():  # noqa: ASYNC110  # a database tells nobody
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture
def ann(telegram: Running) -> Reader:
    return Reader(telegram, "Ann")


@pytest.fixture
def li_lei(telegram: Running) -> Reader:
    return Reader(telegram, "李雷")
