"""Languages: what is spoken with whom. A group's own choice comes first, then a person's, then their Telegram's."""

from telegram import Update

from bot.handlers.words import speak
from bot.history.preferences import Preferences


class Languages:
    """Knows what was chosen."""

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences

    async def follow(self, update: Update) -> None:
        """Whatever is said in answer to `update`, is said in the language that was chosen for it."""
        speak(None)
        chat, user = update.effective_chat, update.effective_user
        for one in (chat, user):
            chosen = (await self._preferences.of(one.id)).language if one else None
            if chosen is not None:
                speak(chosen)
                return
