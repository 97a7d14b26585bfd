"""ConversationKey: who talks with the bot, and where. Standard library only."""

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
