"""The composition root: builds every part from Config, starts them in order and stops them in reverse.

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
from typing import Any

from telegram import Bot
from telegram.ext import ApplicationBuilder

from bot.config import Config, ConfigError, ModelSettings, data_home
from bot.config import Sentiment as SentimentSettings
from bot.definitions import Classification, Generation
from bot.engine.backend import BackendUnusable
from bot.engine.checkpoint import UnsupportedModel, read_architecture
from bot.handlers.access import AccessHandler, Rules
from bot.handlers.account import AccountHandler
from bot.handlers.admin import AdminHandler
from bot.handlers.alarm import Alarm
from bot.handlers.buttons import ButtonHandler
from bot.handlers.chat import ChatHandler
from bot.handlers.control import ControlHandler
from bot.handlers.documents import Documents
from bot.handlers.edits import Edits
from bot.handlers.errors import ErrorHandler
from bot.handlers.feedback import FeedbackHandler
from bot.handlers.groups import GroupsHandler, Moved
from bot.handlers.inline import InlineHandler
from bot.handlers.keyboards import AGAIN, FORGET, SETTINGS, STOP
from bot.handlers.languages import Languages
from bot.handlers.media import MediaHandler
from bot.handlers.menu import Descriptions, publish_menu, publish_menus
from bot.handlers.mood import MoodHandler
from bot.handlers.privacy import PrivacyHandler
from bot.handlers.questions import Questions
from bot.handlers.quiet import QuietHandler
from bot.handlers.refusals import Refusals
from bot.handlers.replies import Replies
from bot.handlers.roles import Admins, GroupAdmins
from bot.handlers.routes import Dispatcher, Routes, handle
from bot.handlers.running import RunningAnswers
from bot.handlers.screen import Screen
from bot.handlers.sentiment import SentimentHandler
from bot.handlers.settings import SettingsHandler
from bot.handlers.stats import StatsHandler
from bot.handlers.tasks import TasksHandler
from bot.handlers.waiting import WaitingHandler
from bot.history.access import Access
from bot.history.database import Database
from bot.history.errors import DatabaseError
from bot.history.feedback import Feedback
from bot.history.journal import Journal
from bot.history.personal import PersonalData
from bot.history.preferences import Preferences
from bot.history.retention import enforce
from bot.history.store import Store
from bot.model.api import ChatMessage, Model, Sampling
from bot.model.local import LocalModel, LocalSettings
from bot.model.reference import ReferenceModel
from bot.model.results import Forgetful, Remembering
from bot.observe.counters import Counters
from bot.observe.heartbeat import beat
from bot.observe.incidents import Incidents
from bot.observe.reading import Instruments
from bot.tasks.chat import Chat
from bot.tasks.custom import Classifier, Writer
from bot.tasks.sentiment import Mood, Sentiment
from bot.transport.client import make_bot
from bot.transport.errors import TransportError
from bot.transport.files import Files
from bot.transport.intake import Intake
from bot.transport.outbox import Outbox
from bot.transport.reception import OnWaiting
from bot.transport.triggers import conversation_key

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
) -> AsyncIterator[None]:
    """The whole bot on the model in `folder`; updates are being fetched when the block is entered.

    `clock` tells the time of day; `sleep` is between one look and the next of what watches the bot. `watched` may
    put something around the model that looks on. Leaving the block stops fetching first, then lets answers reach
    the screen or stay in the journal, and ends the model last.
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
        intake = Intake(bot, inline=config.telegram.inline)
        await intake.connect()
        if config.telegram.inline and not bot.supports_inline_queries:
            log.warning(
                "telegram.inline is on, but Telegram has it off for this bot: send /setinline to @BotFather"
            )
        stack.push_async_callback(bot.shutdown)
        now = partial(_utc, clock)
        store, access = Store(database, bot.id, now), Access(database, bot.id, now)
        preferences = Preferences(database, bot.id, now)
        move = partial(_move_group, config.access.groups, store, access, preferences)
        outbox = Outbox(bot, on_migrated=move)
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
        personal, journal = PersonalData(database, bot.id, now), Journal(database, bot.id, now)
        feedback = Feedback(database, bot.id, now)
        dispatcher, on_waiting = build(
            config,
            bot,
            model,
            store,
            access,
            preferences,
            personal,
            feedback,
            move,
            outbox,
            instruments,
            clock,
        )
        await stack.enter_async_context(_initialized(dispatcher))
        await stack.enter_async_context(_background(_menus(config, preferences, outbox)))
        key_of = partial(conversation_key, shared=config.chat.group_history == "chat")
        polling = intake.run(journal, partial(handle, dispatcher), on_waiting, key_of)
        await stack.enter_async_context(_background(polling, lambda: intake.stop(SHUTDOWN_SECONDS)))
        alarm = _alarm(config, store, preferences, outbox, instruments)
        await stack.enter_async_context(_background(alarm.run(clock, sleep)))
        retention = enforce(config.database.keep_days, store, journal, personal, access, now, sleep)
        await stack.enter_async_context(_background(retention))
        heartbeat = beat(config.heartbeat_file, lambda: _is_well(intake, model))
        await stack.enter_async_context(_background(heartbeat))
        yield


async def _menus(config: Config, preferences: Preferences, outbox: Outbox) -> None:
    async def chosen(chat_id: int) -> str | None:
        return (await preferences.of(chat_id)).language

    await publish_menus(outbox, config.telegram.admins, _descriptions(config), chosen)


async def _move_group(
    listed: Collection[int], store: Store, access: Access, preferences: Preferences, old_id: int, new_id: int
) -> None:
    """A group became a supergroup: its history, choices and counts go on, and so does its place on the list."""
    await store.move_chat(old_id, new_id)
    await preferences.move(old_id, new_id)
    await access.move(old_id, new_id)
    if old_id in listed:
        await access.admit(new_id)


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


def _is_well(intake: Intake, model: Model) -> bool:
    """Telegram answered lately, and the model does not hang."""
    answered = intake.last_round_trip
    silent = answered is None or time.monotonic() - answered > MOST_SILENCE_SECONDS
    return not silent and model.load().step_s < MOST_STEP_SECONDS


async def open_model(
    settings: ModelSettings, folder: Path
) -> AbstractAsyncContextManager[LocalModel | ReferenceModel]:
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
    return ReferenceModel.opened(folder, context=settings.context, waiting=settings.waiting)


def make_sentiment(settings: SentimentSettings, model: Model) -> Sentiment:
    """The task as configured."""
    labels: dict[str, Mood] = {settings.positive: "positive", settings.negative: "negative"}
    return Sentiment(model, settings.prompt, labels)


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


def build(
    config: Config,
    bot: Bot,
    model: Forgetful,
    store: Store,
    access: Access,
    preferences: Preferences,
    personal: PersonalData,
    feedback: Feedback,
    moved: Moved,
    outbox: Outbox,
    instruments: Instruments,
    clock: Clock,
) -> tuple[Dispatcher, OnWaiting]:
    """Handlers around the model: of updates, and of updates that wait."""
    sentiment = make_sentiment(config.sentiment, model)
    chat = Chat(
        model,
        config.chat.system_prompt,
        sampling(config),
        config.chat.history_tokens,
        file_tokens=_file_tokens(config),
        personas=_prompts(config),
    )
    tasks = config.enabled_tasks
    classifiers, writers = _tasks(config, model)
    replies, counters = Replies(outbox), instruments.counters
    refusals, admins, rules = Refusals(outbox, replies), Admins(config.telegram.admins), _rules(config)
    edits, screen = Edits(), Screen(store, outbox)
    shared = config.chat.group_history == "chat"
    questions = Questions(bot.bot, edits, tasks, shared=shared)
    languages, group_admins = Languages(preferences), GroupAdmins(outbox)
    answers = RunningAnswers(
        expected_s=lambda: config.chat.max_new_tokens / max(model.load().tokens_per_s, 1)
    )
    documents = Documents(Files(outbox), chat, replies)
    talk = ChatHandler(
        store, preferences, screen, replies, answers, questions, documents, sentiment, chat, writers
    )
    corrections = FeedbackHandler(bot.id, feedback, screen, replies, refusals)
    judge = SentimentHandler(sentiment, corrections, replies)
    control = ControlHandler(store, replies, answers, edits, questions, talk)
    custom = TasksHandler(store, replies, questions, documents, talk, classifiers, writers)
    account = AccountHandler(store, questions, chat, replies, _descriptions(config))
    stats = StatsHandler(admins, store, instruments.read, replies, refusals, clock)
    admin = AdminHandler(bot.bot, rules.mode == "invite", admins, access, outbox, replies, refusals, clock)
    privacy = PrivacyHandler(
        bot.bot,
        config.database.keep_days,
        personal,
        chat,
        partial(_clear, model, preferences),
        answers,
        edits,
        screen,
        outbox,
        replies,
        clock,
    )
    settings = SettingsHandler(
        preferences,
        config.personas,
        group_admins,
        languages,
        partial(publish_menu, outbox, admins.ids, _descriptions(config)),
        outbox,
        replies,
        refusals,
    )
    commands = {
        "start": account.on_start,
        "help": account.on_help,
        "ask": talk.on_ask,
        "new": account.on_new,
        "stop": control.on_stop,
        "retry": control.on_retry,
        "sentiment": judge.on_sentiment,
        "privacy": privacy.on_privacy,
        "export": privacy.on_export,
        "forget": privacy.on_forget,
        "mood": MoodHandler(store, replies, clock).on_mood,
        "settings": settings.on_settings,
        "persona": settings.on_persona,
        "language": settings.on_language,
        "quiet": QuietHandler(preferences, group_admins, replies, refusals, clock).on_quiet,
        "stats": stats.on_stats,
        "invite": admin.on_invite,
        "block": admin.on_block,
        "unblock": admin.on_unblock,
        **dict.fromkeys(tasks, custom.on_task),
    }
    buttons = {
        STOP: control.on_stop_button,
        AGAIN: control.on_again_button,
        FORGET: privacy.on_forget_button,
        SETTINGS: settings.on_button,
    }
    gate = AccessHandler(
        bot.bot,
        rules,
        admins,
        access,
        store,
        preferences,
        languages,
        refusals,
        counters,
        commands,
        tasks,
        clock,
    )
    groups = GroupsHandler(bot.bot, gate, preferences, languages, moved, outbox)
    inline = InlineHandler(sentiment, outbox, config.telegram.inline)
    routes = Routes(
        gate=gate.on_update,
        commands=commands,
        captions=dict.fromkeys(tasks, custom.on_task),
        words=talk.on_message,
        media=MediaHandler(bot.bot, replies, talk, judge, clock).on_media,
        edited=control.on_edit,
        pressed=ButtonHandler(outbox, buttons).on_press,
        membership=groups.on_change,
        migrated=groups.on_migrated,
        typed=inline.settle,
        inline=inline.on_query,
        failed=ErrorHandler(replies, counters).on_error,
    )
    # Updates come from Intake, one call of process_update each; the Application only chooses the handler.
    dispatcher = ApplicationBuilder().bot(bot).updater(None).build()
    routes.add_to(dispatcher)
    return dispatcher, WaitingHandler(store, screen, answers, questions, talk, languages).on_waiting


def _tasks(config: Config, model: Model) -> tuple[dict[str, Classifier], dict[str, Writer]]:
    """What the operator's definitions make of the model."""
    classifiers: dict[str, Classifier] = {}
    writers: dict[str, Writer] = {}
    for name, task in config.enabled_tasks.items():
        match task:
            case Classification():
                classifiers[name] = Classifier(model, name, task)
            case Generation():
                writers[name] = Writer(model, task, config.model.context)
    return classifiers, writers


def _descriptions(config: Config) -> Descriptions:
    return {name: task.description for name, task in config.enabled_tasks.items()}


def _clear(model: Forgetful, preferences: Preferences) -> None:
    """Nothing that was deleted stays in a cache."""
    model.clear()
    preferences.clear()


def _prompts(config: Config) -> dict[str, str]:
    return {name: persona.system_prompt for name, persona in config.personas.items()}


def _alarm(
    config: Config, store: Store, preferences: Preferences, outbox: Outbox, instruments: Instruments
) -> Alarm:
    async def language(user_id: int) -> str | None:
        return (await preferences.of(user_id)).language or await store.language(user_id)

    home = (config.database.file or data_home()).parent
    folder = next(path for path in (home, *home.parents) if path.exists())
    incidents = Incidents(config.database.low_disk_mb << 20)
    return Alarm(config.telegram.admins, instruments.read, incidents, folder, outbox, language)


def _rules(config: Config) -> Rules:
    access = config.access
    return Rules(
        mode=access.mode,
        users=access.users,
        groups=access.groups,
        turns_per_day=access.turns_per_day,
        group_turns_per_day=access.group_turns_per_day,
        messages_per_minute=access.messages_per_minute,
        answer_within_s=config.telegram.answer_within_hours * 3600,
    )


def _file_tokens(config: Config) -> int:
    """Room for a file. As much again is for a file of the question before, and for all that is neither."""
    return max(64, (config.model.context - config.chat.history_tokens - config.chat.max_new_tokens) // 3)


def sampling(config: Config) -> Sampling:
    """What the configuration says about how answers are drawn."""
    chat = config.chat
    return Sampling(
        max_new_tokens=chat.max_new_tokens,
        temperature=chat.temperature,
        top_p=chat.top_p,
        top_k=chat.top_k,
        repetition_penalty=chat.repetition_penalty,
    )


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
