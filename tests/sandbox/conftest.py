"""A sandbox on an ephemeral port, python-telegram-bot's real client, and a check of all that is emitted."""

import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager

import aiogram.methods
import httpx
import pytest
from pydantic import BaseModel, TypeAdapter
from telegram import (
    Bot,
    BotCommand,
    BotName,
    ChatFullInfo,
    ChatMember,
    File,
    Message,
    TelegramObject,
    Update,
    User,
    WebhookInfo,
)
from telegram.error import BadRequest
from telegram.request import HTTPXRequest

from bot.sandbox.people import Person
from bot.sandbox.server import Running, Sandbox, serve
from tests.clock import Clock

PTB_TYPES: dict[str, type[TelegramObject]] = {
    "getme": User,
    "getupdates": Update,
    "sendmessage": Message,
    "senddocument": Message,
    "sendphoto": Message,
    "getfile": File,
    "editmessagetext": Message,
    "editmessagereplymarkup": Message,
    "getchat": ChatFullInfo,
    "getchatmember": ChatMember,
    "getchatadministrators": ChatMember,
    "getwebhookinfo": WebhookInfo,
    "getmycommands": BotCommand,
    "getmyname": BotName,
}
# Required by the Bot API version of aiogram, not yet known to this python-telegram-bot.
NEWER_THAN_PTB = {"can_send_welcome_messages"}


@functools.cache
def _result_type(method: str) -> TypeAdapter[object]:
    """What aiogram expects as the result of a method."""
    names = {name.lower(): name for name in aiogram.methods.__all__}
    return TypeAdapter(getattr(aiogram.methods, names[method]).__returning__)


class Conformance:
    """Every answer of the sandbox, held against two independent models of the Bot API."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.excused: set[int] = set()
        self.refusals: list[str] = []

    def witness(self, method: str, envelope: dict[str, object]) -> None:
        if not envelope["ok"]:
            self._refusal(method, envelope)
            return
        if set(envelope) != {"ok", "result"}:
            self.problems.append(f"{method}: envelope {sorted(envelope)}")
        result = json.loads(json.dumps(envelope["result"]))
        if method == "getupdates":
            result = [update for update in result if update["update_id"] not in self.excused]
        self._aiogram(method, result)
        self._ptb(method, result)

    def _refusal(self, method: str, envelope: dict[str, object]) -> None:
        self.refusals.append(str(envelope["description"]))
        if set(envelope) - {"parameters"} != {"ok", "error_code", "description"}:
            self.problems.append(f"{method}: refusal {envelope}")

    def _aiogram(self, method: str, result: object) -> None:
        try:
            parsed = _result_type(method).validate_python(result)
        except ValueError as error:
            self.problems.append(f"{method}: {error}")
        else:
            self.problems += [f"{method}: aiogram does not know {extra}" for extra in _extras(parsed)]

    def _ptb(self, method: str, result: object) -> None:
        kind = PTB_TYPES.get(method)
        things = result if isinstance(result, list) else [result]
        for parsed in (kind.de_json(thing, None) for thing in things if kind and isinstance(thing, dict)):
            left = set(_left_over(parsed)) - NEWER_THAN_PTB
            if left:
                self.problems.append(f"{method}: python-telegram-bot has {left} left over")


def _extras(value: object) -> Iterator[str]:
    """Fields that a pydantic object, or anything in it, was given beyond its model."""
    if isinstance(value, BaseModel):
        yield from (f"{type(value).__name__}.{name}" for name in value.model_extra or {})
        for name in type(value).model_fields:
            yield from _extras(getattr(value, name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _extras(each)


def _left_over(value: object) -> Iterator[str]:
    if isinstance(value, TelegramObject):
        yield from value.api_kwargs
        for name in value.to_dict(recursive=False):
            yield from _left_over(getattr(value, name, None))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _left_over(each)


@pytest.fixture
def refused(conformance: Conformance) -> Callable[..., AbstractContextManager[None]]:
    """Expect a refusal in exactly these words; the client changes their case."""

    @contextmanager
    def expect(description: str, error: type[Exception] = BadRequest) -> Iterator[None]:
        with pytest.raises(error):
            yield
        assert conformance.refusals[-1] == description

    return expect


@pytest.fixture(autouse=True)
def retry_after_is_a_timedelta(monkeypatch: pytest.MonkeyPatch) -> None:
    """python-telegram-bot warns about its old way of telling it."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def conformance() -> Iterator[Conformance]:
    checker = Conformance()
    yield checker
    assert not checker.problems, "\n".join(checker.problems)


@pytest.fixture
def sandbox(conformance: Conformance, clock: Clock) -> Sandbox:
    """A world without flood limits, on a clock that stands still; a test switches limits on by hand."""
    sandbox = Sandbox(clock, limits=False)
    sandbox.bot_api.witnesses.append(conformance.witness)
    return sandbox


@pytest.fixture
async def running(sandbox: Sandbox) -> AsyncIterator[Running]:
    async with serve(sandbox) as running:
        yield running


@pytest.fixture
async def new_bot(running: Running) -> AsyncIterator[Callable[[], Awaitable[Bot]]]:
    """Another client of the same bot, as a second process would be."""
    async with AsyncExitStack() as stack:

        async def new() -> Bot:
            requests = [HTTPXRequest(httpx_kwargs={"trust_env": False}) for _ in range(2)]
            bot = Bot(
                running.token,
                running.base_url,
                f"{running.url}file/bot",
                request=requests[0],
                get_updates_request=requests[1],
            )
            return await stack.enter_async_context(bot)

        yield new


@pytest.fixture
async def bot(new_bot: Callable[[], Awaitable[Bot]]) -> Bot:
    return await new_bot()


@pytest.fixture
async def http(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client at the sandbox's address."""
    async with httpx.AsyncClient(base_url=running.url, trust_env=False) as client:
        yield client


@pytest.fixture
def ann(running: Running) -> Person:
    return running.person("Ann")


@pytest.fixture
def li_lei(running: Running) -> Person:
    return running.person("李雷")
