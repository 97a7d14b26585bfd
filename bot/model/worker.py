"""The engine's one thread: takes commands, steps the engine, turns its token ids into text.

Knows no asyncio: whatever happened in a step leaves through one call of `post`. Every job that was submitted gets
exactly one Finish, also when the engine crashes or the worker is stopped.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from bot.engine.loop import Engine
from bot.engine.requests import Counts, Done, Event, Generate, Request, Scored, Seen, Started, Tokens
from bot.model.api import Delta, Finish, Load, Queued, Reason, Usage
from bot.model.memory import resident_bytes
from bot.model.tokens import StopFilter, TextStream

log = logging.getLogger(__name__)

T = TypeVar("T")

COMPANY_S = 0.001
"""How long an answer that is asked for after a rest waits for a verdict, which would else wait for its prompt."""

SPEED_MEMORY = 0.9
"""Weight of the past in the moving averages of speed, per step or request."""


@dataclass(eq=False, slots=True)
class Job:
    """A request under way, and what its words are made of. `submitted` is in seconds of the worker's clock."""

    request: Request
    text: TextStream
    stop: StopFilter
    submitted: float = 0.0
    started: float | None = None
    first_token: float | None = None
    place: int = 0


News = Queued | Delta | Scored | Seen | Finish
Post = Callable[[Sequence[tuple[Job, News]]], None]
MakeEngine = Callable[[], Engine]


@dataclass(frozen=True, slots=True)
class _Submit:
    job: Job


@dataclass(frozen=True, slots=True)
class _Cancel:
    job: Job


@dataclass(frozen=True, slots=True)
class _Forget:
    conversation: str


@dataclass(frozen=True, slots=True)
class _Clear:
    pass


@dataclass(frozen=True, slots=True)
class _Replace:
    prepare: Callable[[], MakeEngine]
    done: "Future[None]"


@dataclass(frozen=True, slots=True)
class _WhenIdle:
    pieces: Generator[None, None, Any]
    done: "Future[Any]"


@dataclass(frozen=True, slots=True)
class _Stop:
    pass


Command = _Submit | _Cancel | _Forget | _Clear | _Replace | _WhenIdle | _Stop


@dataclass(slots=True)
class Speed:
    """Moving averages, for estimates: seconds per answer, tokens per second of busy time."""

    answer_s: float = 0.0
    tokens_per_s: float = 0.0

    def answered(self, seconds: float) -> None:
        """An answer was finished."""
        self.answer_s = _average(self.answer_s, seconds)

    def stepped(self, tokens: int, seconds: float) -> None:
        """A step that drew tokens has ended."""
        if tokens:
            self.tokens_per_s = _average(self.tokens_per_s, tokens / max(seconds, 1e-9))


class Worker:
    """Runs in one thread (`run`); the other methods may be called from any thread."""

    def __init__(
        self,
        make_engine: MakeEngine,
        post: Post,
        *,
        waiting: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.crashes = 0
        self._make_engine = make_engine
        self._engine = make_engine()
        self._post = post
        self._waiting = waiting
        self._clock = clock
        self._commands: SimpleQueue[Command] = SimpleQueue()
        self._jobs: dict[Request, Job] = {}
        self._news: list[tuple[Job, News]] = []
        self._leisure: deque[_WhenIdle] = deque()
        self._speed = Speed()
        self._step_began: float | None = None
        self._stopping = False

    def submit(self, job: Job) -> None:
        """Take a job; it will get news until its Finish."""
        job.submitted = self._clock()
        self._commands.put(_Submit(job))

    def cancel(self, job: Job) -> None:
        """Finish a job before the next step."""
        self._commands.put(_Cancel(job))

    def forget(self, conversation: str) -> None:
        """Free what is kept for a conversation, now or when its running answer ends."""
        self._commands.put(_Forget(conversation))

    def clear(self) -> None:
        """Free everything that no running answer holds."""
        self._commands.put(_Clear())

    def replace(self, prepare: Callable[[], MakeEngine]) -> "Future[None]":
        """Go on, between two steps, with the engine's decoder that `prepare`, called in this thread, leads to."""
        done: Future[None] = Future()
        self._commands.put(_Replace(prepare, done))
        return done

    def when_idle(self, pieces: Generator[None, None, T]) -> "Future[T]":
        """Do something in this thread, piece by piece, while nobody wants anything; it ends with what `pieces` returns.

        Who asks meanwhile waits for one piece. Whoever cancels the future ends it; so does `stop`.
        """
        done: Future[T] = Future()
        self._commands.put(_WhenIdle(pieces, done))
        return done

    def stop(self) -> None:
        """Finish everybody and leave `run`."""
        self._commands.put(_Stop())

    def load(self) -> Load:
        """A reading from outside; the numbers may be a step old."""
        running, began = self._engine.running, self._step_began
        step_s = 0.0 if began is None else self._clock() - began
        return Load(running, len(self._jobs) - running, self._speed.tokens_per_s, resident_bytes(), step_s)

    def run(self) -> None:
        """Work until stopped. Sleeps in the queue when there is nothing to do."""
        while not self._stopping:
            try:
                for command in self._take_commands():
                    self._obey(command)
                if self._engine.busy:
                    self._step()
            except Exception:
                # Whatever broke may have left keys and values half written: nobody's past is trusted any more.
                log.exception(
                    "the engine failed; it is restarted, %d requests end with an error", len(self._jobs)
                )
                self._crash()
            self._post_news()

    def _take_commands(self) -> Iterable[Command]:
        """All that wait. After a rest an answer waits for what comes right behind it; a verdict waits for nobody."""
        rested = not self._engine.busy
        if rested:
            while self._leisure and self._commands.empty():
                self._use_leisure()
            yield self._commands.get()
        try:
            while True:
                patient = rested and self._engine.waiting and not self._engine.verdicts_waiting
                yield self._commands.get(timeout=COMPANY_S) if patient else self._commands.get_nowait()
        except Empty:
            return

    def _use_leisure(self) -> None:
        """A piece of what waits for an idle moment."""
        task = self._leisure[0]
        self._step_began = self._clock()
        try:
            if not task.done.cancelled():
                next(task.pieces)
                return
        except StopIteration as end:
            if task.done.set_running_or_notify_cancel():
                task.done.set_result(end.value)
        except Exception as error:
            if task.done.set_running_or_notify_cancel():
                task.done.set_exception(error)
        finally:
            self._step_began = None
        self._leisure.popleft()

    def _obey(self, command: Command) -> None:
        match command:
            case _Submit(job):
                self._accept(job)
            case _Cancel(job):
                self._engine.finish(job.request, "cancelled")
                self._handle(self._engine.take_events())
            case _Forget(conversation):
                self._engine.forget(conversation)
            case _Clear():
                self._engine.pool.clear()
            case _Replace(prepare, done):
                self._replace(prepare, done)
            case _WhenIdle():
                self._leisure.append(command)
            case _Stop():
                self._stopping = True
                for task in self._leisure:
                    task.done.cancel()
                self._engine.finish_all("cancelled", "the bot is shutting down")
                self._handle(self._engine.take_events())

    def _replace(self, prepare: Callable[[], MakeEngine], done: "Future[None]") -> None:
        """What fails before the change changes nothing."""
        try:
            make_engine = prepare()
            fresh = make_engine()
        except Exception as error:
            done.set_exception(error)
            return
        self._make_engine = make_engine
        self._engine.go_on_like(fresh)
        done.set_result(None)

    def _accept(self, job: Job) -> None:
        if self._stopping:
            self._finish(job, "cancelled", "the bot is shutting down")
        elif self._is_full(job.request):
            self._finish(job, "overloaded", f"{self._waiting} requests are waiting already")
        else:
            self._jobs[job.request] = job
            self._engine.submit(job.request)

    def _is_full(self, request: Request) -> bool:
        queue = self._engine.waiting if isinstance(request, Generate) else self._engine.verdicts_waiting
        return len(queue) >= self._waiting

    def _step(self) -> None:
        began = self._step_began = self._clock()
        try:
            events = self._engine.step(lambda early: self._handle_early(early, began))
        finally:
            self._step_began = None
        drawn = sum(len(event.tokens) for event in events if isinstance(event, Tokens))
        self._speed.stepped(drawn, self._clock() - began)
        self._handle(events, began)
        self._tell_places()

    def _handle_early(self, events: Iterable[Event], began: float) -> None:
        """In the middle of a step: a verdict is on its way to people while answers are still computed."""
        self._handle(events, began)
        self._post_news()

    def _crash(self) -> None:
        self.crashes += 1
        for job in list(self._jobs.values()):
            self._finish(job, "error", "the model failed and is restarted")
        self._engine = self._make_engine()

    def _handle(self, events: Iterable[Event], began: float = 0.0) -> None:
        """Of a step that began at `began`: whoever left the queue did so then."""
        for event in events:
            job = self._jobs.get(event.request)
            if job is None:
                continue
            match event:
                case Started():
                    job.started = began
                case Tokens(_, tokens):
                    self._write(job, tokens)
                case Scored() | Seen():
                    self._news.append((job, event))
                case Done(_, reason, counts, detail):
                    self._finish(job, reason, detail, counts)

    def _write(self, job: Job, tokens: Sequence[int]) -> None:
        if job.first_token is None:
            job.first_token = self._clock()
        self._tell(job, job.stop.push(job.text.push(tokens)))
        if job.stop.stopped:
            self._engine.finish(job.request, "stop")
            self._handle(self._engine.take_events())

    def _finish(self, job: Job, reason: Reason, detail: str = "", counts: Counts | None = None) -> None:
        self._jobs.pop(job.request, None)
        self._tell(job, job.stop.push(job.text.flush()) + job.stop.flush())
        usage = self._usage(job, counts or Counts(len(job.request.tokens)))
        if isinstance(job.request, Generate) and reason in ("stop", "length"):
            self._speed.answered(usage.total_s - usage.queued_s)
        self._news.append((job, Finish(reason, usage, detail)))

    def _tell(self, job: Job, text: str) -> None:
        if text:
            self._news.append((job, Delta(text)))

    def _usage(self, job: Job, counts: Counts) -> Usage:
        now = self._clock()
        return Usage(
            prompt=counts.prompt,
            cached=counts.cached,
            generated=counts.generated,
            queued_s=(now if job.started is None else job.started) - job.submitted,
            first_token_s=(now if job.first_token is None else job.first_token) - job.submitted,
            total_s=now - job.submitted,
        )

    def _tell_places(self) -> None:
        """Whoever waits learns its place whenever that changes."""
        for place, request in enumerate(self._engine.waiting, start=1):
            job = self._jobs[request]
            if job.place != place:
                job.place = place
                rounds = math.ceil(place / self._engine.max_running)
                self._news.append((job, Queued(place, rounds * self._speed.answer_s)))

    def _post_news(self) -> None:
        if self._news:
            news, self._news = self._news, []
            self._post(news)


def _average(past: float, value: float) -> float:
    return value if past == 0 else SPEED_MEMORY * past + (1 - SPEED_MEMORY) * value
