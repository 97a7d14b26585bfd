"""The alarm: looks at the bot now and then, and tells its admins once when something is wrong."""

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from bot.handlers.words import Translate
from bot.locales import language_of, translation
from bot.observe.incidents import Incident, Incidents
from bot.observe.reading import Reading
from bot.transport.content import Content
from bot.transport.errors import CallFailed
from bot.transport.outbox import Outbox, Priority

INTERVAL_S = 30.0

log = logging.getLogger(__name__)


class Alarm:
    """Watches the instruments for as long as the bot runs. `folder` is on the disk that must not fill up."""

    def __init__(
        self,
        admins: Collection[int],
        read: Callable[[], Reading],
        incidents: Incidents,
        folder: Path,
        outbox: Outbox,
        language: Callable[[int], Awaitable[str | None]],
    ) -> None:
        self._admins = admins
        self._read = read
        self._incidents = incidents
        self._folder = folder
        self._outbox = outbox
        self._language = language
        self._sending: set[asyncio.Task[None]] = set()

    async def run(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        """For ever."""
        try:
            while True:
                await sleep(INTERVAL_S)
                free = await asyncio.to_thread(shutil.disk_usage, self._folder)
                for incident in self._incidents.begun(self._read(), free.free, clock()):
                    log.warning("incident: %s", incident)
                    self._tell(incident)
        finally:
            for sending in self._sending:
                sending.cancel()

    def _tell(self, incident: Incident) -> None:
        """Without waiting: where Telegram is the trouble, a message arrives when that is over."""
        for admin in self._admins:
            sending = asyncio.create_task(self._send(admin, incident))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    async def _send(self, admin: int, incident: Incident) -> None:
        _ = translation(language_of(await self._language(admin))).gettext
        try:
            await self._outbox.send(
                admin, Content(line(incident, _)), priority=Priority.SENTIMENT, repeat=True
            )
        except CallFailed as error:
            log.info("an admin was not told of an incident: %s", error)


def line(incident: Incident, _: Translate) -> str:
    """What an admin reads. It names no people and repeats no words of theirs."""
    match incident:
        case Incident.RESTARTED:
            return _("🔧 The model failed and was restarted. Answers under way ended with an apology.")
        case Incident.DISK_LOW:
            return _("💾 The disk is nearly full. When it is full, I stop: please make room.")
        case Incident.SILENT:
            return _(
                "📡 I got nothing from Telegram for some minutes: the network was down, "
                "or another process uses my token. The log tells which."
            )
        case Incident.SLOWED:
            return _("🚦 Telegram slows me down: answers arrive late in some chats.")
        case Incident.FLOODED:
            return _("🌊 Somebody floods me with messages. I refuse what is too much; /block ends it.")
