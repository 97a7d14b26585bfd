"""What can go wrong between the bot and Telegram, and what each of Telegram's refusals means for a call.

Knows Telegram's words, and neither budgets nor queues. No message ever quotes what was to be sent.
"""

from dataclasses import dataclass
from enum import Enum, auto

import httpx
from telegram.error import (
    BadRequest,
    ChatMigrated,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
)


class TransportError(Exception):
    """Telegram and the bot could not do something together."""


class TokenRejected(TransportError):
    """Telegram does not know the bot's token (any more)."""

    def __init__(self) -> None:
        super().__init__(
            "Telegram rejected the bot's token: check telegram.token, or ask @BotFather for a new one"
        )


class CallFailed(TransportError):
    """A call to Telegram came to nothing. `chat_id` is None for calls that concern no chat."""

    def __init__(self, method: str, chat_id: int | None, reason: str) -> None:
        super().__init__(f"{method}{'' if chat_id is None else f' in chat {chat_id}'}: {reason}")
        self.method = method
        self.chat_id = chat_id
        self.reason = reason


class Refused(CallFailed):
    """Telegram will not do this, however often it is asked."""


class MessageGone(Refused):
    """The message to be changed was deleted, or may not be changed any more."""


class Undeliverable(Refused):
    """Nothing can be sent to this chat: it is gone, or the bot was blocked, removed or silenced."""


class SendUnknown(CallFailed):
    """Telegram did not answer in time: the message may be there, or not. It must not be sent again blindly."""


class Closed(CallFailed):
    """The outbox was closed before the call was made."""


class Meaning(Enum):
    """What a failed call calls for."""

    SUCCESS = auto()  # what was asked for is already so
    WAIT = auto()  # too fast: the penalty must be waited out
    MOVED = auto()  # the group is a supergroup now, under another id
    PLAIN = auto()  # the formatting was refused: once more without
    UNREACHED = auto()  # nothing was done: it can be repeated
    UNKNOWN = auto()  # it may have been done
    GONE = auto()
    UNDELIVERABLE = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an error means. `value` is the penalty in seconds, or the group's new id."""

    meaning: Meaning
    value: float = 0.0


# Telegram's descriptions, in small letters; the first that fits decides.
_BAD_REQUESTS = (
    (
        Meaning.SUCCESS,
        ("message is not modified", "message to delete not found", "query is too old", "query_id_invalid"),
    ),
    (
        Meaning.GONE,
        (
            "message to edit not found",
            "message can't be edited",
            "message can't be deleted",
            "message_id_invalid",
            "message to react not found",
        ),
    ),
    (Meaning.PLAIN, ("can't parse entities", "entit")),
    (
        Meaning.UNDELIVERABLE,
        (
            "chat not found",
            "peer_id_invalid",
            "user not found",
            "not enough rights to send",
            "have no rights to send",
            "need administrator rights",
            "chat_write_forbidden",
            "chat_restricted",
            "group chat was deactivated",
            "message thread not found",
            "topic_closed",
            "topic_deleted",
        ),
    ),
)
# httpx failed before the request could leave.
_UNSENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


def judge(error: TelegramError) -> Verdict:
    """What `error` means for the call that it answered."""
    match error:
        case RetryAfter():
            return Verdict(Meaning.WAIT, _seconds(error))
        case ChatMigrated():
            return Verdict(Meaning.MOVED, error.new_chat_id)
        case Forbidden():
            return Verdict(Meaning.UNDELIVERABLE)
        case BadRequest():  # a NetworkError by class, but no matter of the network
            return Verdict(_bad_request(error.message.lower()))
        case NetworkError():
            return Verdict(Meaning.UNREACHED if isinstance(error.__cause__, _UNSENT) else Meaning.UNKNOWN)
        case InvalidToken() | EndPointNotFound():
            return Verdict(Meaning.REFUSED)
    return Verdict(Meaning.UNKNOWN)


def failure(meaning: Meaning, method: str, chat_id: int | None, error: TelegramError) -> CallFailed:
    """What the caller is told. Telegram's descriptions of refusals name no texts; the rest is our own words."""
    if meaning is Meaning.UNKNOWN:
        return SendUnknown(method, chat_id, f"Telegram's answer is unknown ({type(error).__name__})")
    if isinstance(error, InvalidToken | EndPointNotFound):
        return Refused(method, chat_id, "Telegram rejected the bot's token or does not know this method")
    kinds = {Meaning.GONE: MessageGone, Meaning.UNDELIVERABLE: Undeliverable}
    return kinds.get(meaning, Refused)(method, chat_id, error.message)


def _bad_request(description: str) -> Meaning:
    fitting = (meaning for meaning, words in _BAD_REQUESTS if any(word in description for word in words))
    return next(fitting, Meaning.REFUSED)


def _seconds(error: RetryAfter) -> float:
    """The library gives a number, or with PTB_TIMEDELTA=1 a timedelta."""
    wait = error.retry_after
    return float(wait) if isinstance(wait, int) else wait.total_seconds()
