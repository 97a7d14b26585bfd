"""Dispatch: the handlers and the tasks, built from Config and wired to one another; which update goes to which.

Starts and stops nothing: that is app.py.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Self

from telegram import Bot
from telegram.ext import ApplicationBuilder

from bot.config import Config
from bot.config import Sentiment as SentimentSettings
from bot.conversation import ConversationKey
from bot.definitions import Classification, Generation
from bot.handlers.access import AccessHandler, Rules
from bot.handlers.account import AccountHandler
from bot.handlers.admin import AdminHandler
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
from bot.handlers.menu import Descriptions, publish_menu
from bot.handlers.mood import MoodHandler
from bot.handlers.privacy import PrivacyHandler
from bot.handlers.questions import Questions
from bot.handlers.quiet import QuietHandler
from bot.handlers.refusals import Refusals
from bot.handlers.replies import Replies
from bot.handlers.roles import Admins, GroupAdmins
from bot.handlers.routes import Dispatcher, Routes
from bot.handlers.running import RunningAnswers
from bot.handlers.screen import Screen
from bot.handlers.sentiment import SentimentHandler
from bot.handlers.settings import SettingsHandler
from bot.handlers.stats import StatsHandler
from bot.handlers.tasks import TasksHandler
from bot.handlers.waiting import WaitingHandler
from bot.history.access import Access
from bot.history.database import Database
from bot.history.feedback import Feedback
from bot.history.personal import PersonalData
from bot.history.preferences import Preferences
from bot.history.store import Store
from bot.model.api import Model, Sampling
from bot.model.results import Forgetful
from bot.observe.reading import Instruments
from bot.tasks.chat import Chat
from bot.tasks.custom import Classifier, Writer
from bot.tasks.sentiment import Mood, Sentiment
from bot.transport.files import Files
from bot.transport.outbox import Outbox
from bot.transport.reception import OnWaiting

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Storage:
    """What of the database the handlers use."""

    store: Store
    access: Access
    preferences: Preferences
    personal: PersonalData
    feedback: Feedback

    @classmethod
    def of(cls, database: Database, bot_id: int, now: Callable[[], datetime]) -> Self:
        """All of one bot."""
        return cls(
            Store(database, bot_id, now),
            Access(database, bot_id, now),
            Preferences(database, bot_id, now),
            PersonalData(database, bot_id, now),
            Feedback(database, bot_id, now),
        )


def build(
    config: Config,
    bot: Bot,
    model: Forgetful,
    storage: Storage,
    moved: Moved,
    outbox: Outbox,
    instruments: Instruments,
    clock: Clock,
) -> tuple[Dispatcher, OnWaiting]:
    """Handlers around the model: of updates, and of updates that wait."""
    store, access, preferences = storage.store, storage.access, storage.preferences
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
    corrections = FeedbackHandler(bot.id, storage.feedback, preferences, screen, replies, refusals)
    judge = SentimentHandler(sentiment, corrections, replies)
    control = ControlHandler(store, replies, answers, edits, questions, group_admins, talk)
    custom = TasksHandler(store, replies, questions, documents, talk, classifiers, writers)
    account = AccountHandler(
        store, questions, chat, replies, descriptions(config), inline=config.telegram.inline
    )
    stats = StatsHandler(admins, store, instruments.read, replies, refusals, clock)
    admin = AdminHandler(bot.bot, rules.mode == "invite", admins, access, outbox, replies, refusals, clock)
    privacy = PrivacyHandler(
        bot.bot,
        config.database.keep_days,
        storage.personal,
        chat,
        partial(clear_caches, model, preferences),
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
        partial(publish_menu, outbox, admins.ids, descriptions(config)),
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


def descriptions(config: Config) -> Descriptions:
    """What the menus say about the operator's tasks."""
    return {name: task.description for name, task in config.enabled_tasks.items()}


def clear_caches(
    model: Forgetful, preferences: Preferences, conversations: Collection[ConversationKey] = ()
) -> None:
    """Nothing that was deleted stays in a cache, nor what was computed for `conversations`."""
    for key in conversations:
        model.forget(str(key))
    model.clear()
    preferences.clear()


def _prompts(config: Config) -> dict[str, str]:
    return {name: persona.system_prompt for name, persona in config.personas.items()}


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


def make_sentiment(settings: SentimentSettings, model: Model) -> Sentiment:
    """The task as configured."""
    labels: dict[str, Mood] = {settings.positive: "positive", settings.negative: "negative"}
    return Sentiment(model, settings.prompt, labels)


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
