"""Edits: the newest text of messages that were edited, for questions that still wait for their turn.

Kept in memory only: after a restart such a question is answered as it was first written.
"""

from cachetools import LRUCache
from telegram import Message

REMEMBERED = 1000


class Edits:
    """By chat and message."""

    def __init__(self) -> None:
        self._texts: LRUCache[tuple[int, int], str] = LRUCache(REMEMBERED)

    def note(self, message: Message, text: str) -> None:
        """The message says `text` from now on."""
        self._texts[message.chat.id, message.message_id] = text

    def newest(self, message: Message, text: str) -> str:
        """What the message says now, where `text` is what this update says."""
        return self._texts.get((message.chat.id, message.message_id), text)
