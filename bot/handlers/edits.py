"""Edits: the newest text of messages that were edited, for questions that still wait for their turn.

Kept in memory only, for a day: after a restart such a question is answered as it was first written.
"""

from cachetools import TTLCache
from telegram import Message

REMEMBERED = 1000
DAY_S = 86_400.0


class Edits:
    """By chat and message."""

    def __init__(self) -> None:
        self._texts: TTLCache[tuple[int, int], tuple[int, str]] = TTLCache(REMEMBERED, DAY_S)

    def note(self, message: Message, text: str) -> None:
        """The message says `text` from now on."""
        author = message.from_user.id if message.from_user else 0
        self._texts[message.chat.id, message.message_id] = author, text

    def newest(self, message: Message, text: str) -> str:
        """What the message says now, where `text` is what this update says."""
        return self._texts.get((message.chat.id, message.message_id), (0, text))[1]

    def forget(self, user_id: int) -> None:
        """Drop what somebody wrote."""
        for place in [place for place, (author, _) in self._texts.items() if author == user_id]:
            self._texts.pop(place, None)
