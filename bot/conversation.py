"""Who talks with the bot, and where, and which message the work at hand is for. Standard library only."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class ConversationKey:
    """One user within one chat and topic; everything about history and ordering hangs on it.

    `thread_id` is 0 outside forum topics and in the General topic. `user_id` is the sender's chat id
    for anonymous admins and channels, and 0 where a group shares one history.
    """

    chat_id: int
    thread_id: int
    user_id: int

    def __str__(self) -> str:
        return f"{self.chat_id}:{self.thread_id}:{self.user_id}"


@dataclass(frozen=True, slots=True)
class MessageKey:
    """One message of a chat."""

    chat_id: int
    message_id: int


CAUSE: ContextVar[MessageKey | None] = ContextVar("CAUSE", default=None)
"""The message that the work at hand is for. It is only for those who look on: nothing that is done depends on it."""
