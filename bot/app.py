"""The composition root: opens every part that Config asks for, starts them in order and stops them in reverse.

The only place that knows all parts. Nothing here decides what the bot says or does.
"""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.config import Config, ConfigError, ModelSettings, data_home
from bot.dispatch import Storage, build, clear_caches, descriptions
from bot.engine.architecture import UnsupportedModel, read_architecture
from bot.engine.backend import BackendUnusable
from bot.handlers.alarm import Alarm
from bot.handlers.menu import publish_menus
from bot.handlers.routes import Dispatcher, handle
from bot.history.database import Database
from bot.history.errors import DatabaseError
from bot.history.journal import Journal
from bot.history.preferences import Preferences
from bot.history.retention import enforce
from bot.model.api import ChatMessage, Model
from bot.model.local import LocalModel
from bot.model.parts import LocalSettings
from bot.model.results import Forgetful, Remembering
from bot.observe.counters import Counters
from bot.observe.heartbeat import beat
from bot.observe.incidents import Incidents
from bot.observe.reading import Instruments
from bot.transport.client import make_bot
from bot.transport.errors import TransportError
from bot.transport.intake import Intake
from bot.transport.outbox import Outbox
from bot.transport.triggers import conversation_key

if TYPE_CHECKING:
    from bot.model.reference import ReferenceModel

STARTUP_ERRORS = (ConfigError, DatabaseError, TransportError, BackendUnusable)
"""What may end a start; each has a message for the person who started the bot."""

SHUTDOWN_SECONDS = 10.0

# Beyond these the heartbeat stops. A long poll answers within a minute, a step of the model within a second or two.
MOST_SILENCE_SECONDS = 120.0
MOST_STEP_SECONDS = 60.0

log = logging.getLogger(__name__)

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


def unwatched(model: Forgetful) -> Forgetful:
    """Nobody looks on."""
    return model


async def run_until_stopped(config: Config, folder: Path) -> None:
    """The whole bot, until SIGINT or SIGTERM."""
    async with running(config, folder):
        stop = stop_signals()
        log.info("ready")
        await stop.wait()
    log.info("stopped")


def stop_signals() -> asyncio.Event:
    """Set by SIGINT or SIGTERM from now on; a second one ends the process the hard way."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        stop.set()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(name)

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, on_signal)
    return stop


@asynccontextmanager
async def running(
    config: Config,
    folder: Path,
    clock: Clock = time.time,
    sleep: Sleep = asyncio.sleep,
    watched: Callable[[Forgetful], Forgetful] = unwatched,
    monotonic: Clock = time.monotonic,
    wait: Sleep = asyncio.sleep,
) -> AsyncIterator[None]:
    """The whole bot on the model in `folder`; updates are being fetched when the block is entered.

    `clock` tells the time of day; `sleep` is between one look and the next of what watches the bot; `monotonic` and
    `wait` set the pace towards Telegram. `watched` may put something around the model that looks on. Leaving the
    block stops fetching first, then lets answers reach the screen or stay in the journal, and ends the model last.
    """
    async with AsyncExitStack() as stack:
        database = Database(config.database.url)
        stack.push_async_callback(database.close)
        await database.migrate()
        engine = await stack.enter_async_context(await open_model(config.model, folder))
        remembering = _remembering(config, engine)
        model = watched(remembering)
        check_prompts(config, remembering)
        bot = make_bot(config.telegram)
        intake = Intake(bot, clock=monotonic, sleep=wait, inline=config.telegram.inline)
        await intake.connect()
        if config.telegram.inline and not bot.supports_inline_queries:
            log.warning(
                "telegram.inline is on, but Telegram has it off for this bot: send /setinline to @BotFather"
            )
        stack.push_async_callback(bot.shutdown)
        now = partial(_utc, clock)
        storage, journal = Storage.of(database, bot.id, now), Journal(database, bot.id, now)
        move = partial(_move_group, config.access.groups, storage)
        outbox = Outbox(bot, on_migrated=move, clock=monotonic, sleep=wait)
        await stack.enter_async_context(_background(outbox.run(), lambda: outbox.close(SHUTDOWN_SECONDS)))
        counters = Counters()
        instruments = Instruments(
            load=model.load,
            restarts=lambda: engine.crashes if isinstance(engine, LocalModel) else 0,
            results=remembering,
            calls=outbox.stats,
            counters=counters,
            last_update=lambda: intake.last_round_trip,
        )
        dispatcher, on_waiting = build(config, bot, model, storage, move, outbox, instruments, clock)
        await stack.enter_async_context(_initialized(dispatcher))
        await stack.enter_async_context(_background(_menus(config, storage.preferences, outbox)))
        key_of = partial(conversation_key, shared=config.chat.group_history == "chat")
        polling = intake.run(journal, partial(handle, dispatcher), on_waiting, key_of)
        await stack.enter_async_context(_background(polling, lambda: intake.stop(SHUTDOWN_SECONDS)))
        alarm = _alarm(config, storage, outbox, instruments)
        await stack.enter_async_context(_background(alarm.run(clock, sleep)))
        retention = enforce(
            config.database.keep_days,
            storage.store,
            journal,
            storage.personal,
            storage.access,
            partial(clear_caches, model, storage.preferences),
            now,
            sleep,
        )
        await stack.enter_async_context(_background(retention))
        heartbeat = beat(config.heartbeat_file, lambda: _is_well(intake, model, monotonic()))
        await stack.enter_async_context(_background(heartbeat))
        yield


async def _menus(config: Config, preferences: Preferences, outbox: Outbox) -> None:
    async def chosen(chat_id: int) -> str | None:
        return (await preferences.of(chat_id)).language

    await publish_menus(outbox, config.telegram.admins, descriptions(config), chosen)


async def _move_group(listed: Collection[int], storage: Storage, old_id: int, new_id: int) -> None:
    """A group became a supergroup: its history, choices and counts go on, and so does its place on the list."""
    await storage.store.move_chat(old_id, new_id)
    await storage.preferences.move(old_id, new_id)
    await storage.access.move(old_id, new_id)
    if old_id in listed:
        await storage.access.admit(new_id)


def check_prompts(config: Config, model: Model) -> None:
    """Raises ConfigError for a system prompt that leaves no room for a conversation."""
    prompts = {"chat": config.chat.system_prompt} | {
        f"personas.{name}": persona.system_prompt for name, persona in config.personas.items()
    }
    room = config.model.context - config.chat.history_tokens - config.chat.max_new_tokens
    for place, prompt in prompts.items():
        tokens = model.count_tokens([ChatMessage("system", prompt)])
        if tokens >= room:
            raise ConfigError(
                f"{place}.system_prompt: has {tokens} tokens, and there is room for {room - 1}: shorten it, or raise "
                "model.context"
            )


def _utc(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock(), UTC)


def _is_well(intake: Intake, model: Model, now: float) -> bool:
    """Telegram answered lately, and the model does not hang."""
    answered = intake.last_round_trip
    silent = answered is None or now - answered > MOST_SILENCE_SECONDS
    return not silent and model.load().step_s < MOST_STEP_SECONDS


async def open_model(
    settings: ModelSettings, folder: Path
) -> "AbstractAsyncContextManager[LocalModel | ReferenceModel]":
    """The model that the configuration asks for; ReferenceModel also where the engine cannot compute it."""
    if settings.engine == "local":
        try:
            await asyncio.to_thread(read_architecture, folder)
        except UnsupportedModel as error:
            log.warning(
                "this model runs through transformers, slowly, for the engine cannot compute it: %s", error
            )
        else:
            return LocalModel.opened(folder, local_settings(settings))
    # Importing it takes a second, which only those wait for who need it.
    from bot.model.reference import ReferenceModel

    return ReferenceModel.opened(folder, context=settings.context, waiting=settings.waiting)


def _remembering(config: Config, model: Model) -> Remembering:
    return Remembering(
        model,
        entries=config.model.results,
        lifetime_s=config.model.results_hours * 3600,
        greetings=config.chat.greetings,
    )


def local_settings(settings: ModelSettings) -> LocalSettings:
    """What the configuration says about LocalModel."""
    return LocalSettings(
        weights=settings.weights,
        threads=settings.threads,
        context=settings.context,
        running=settings.running,
        waiting=settings.waiting,
        memory_bytes=settings.memory_mb << 20,
        library_cache=settings.dir / "native",
    )


def _alarm(config: Config, storage: Storage, outbox: Outbox, instruments: Instruments) -> Alarm:
    async def language(user_id: int) -> str | None:
        return (await storage.preferences.of(user_id)).language or await storage.store.language(user_id)

    home = (config.database.file or data_home()).parent
    folder = next(path for path in (home, *home.parents) if path.exists())
    incidents = Incidents(config.database.low_disk_mb << 20)
    return Alarm(config.telegram.admins, instruments.read, incidents, folder, outbox, language)


@asynccontextmanager
async def _initialized(dispatcher: Dispatcher) -> AsyncIterator[None]:
    await dispatcher.initialize()
    try:
        yield
    finally:
        await dispatcher.shutdown()


@asynccontextmanager
async def _background(
    work: Coroutine[Any, Any, None], stop: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[None]:
    """Run `work` while the block runs. Its failure ends the process: nothing goes on half alive."""
    block = asyncio.current_task()
    assert block is not None
    task = asyncio.create_task(work)

    def failed(done: "asyncio.Task[None]") -> None:
        if not done.cancelled() and done.exception() is not None:
            block.cancel()

    task.add_done_callback(failed)
    try:
        yield
    finally:
        if stop is not None and not task.done():
            await stop()
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
