"""Buttons: which press leads to which action. Checks who pressed, and ends the waiting sign of every button."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from telegram import CallbackQuery, Update

from bot.handlers.callbacks import Press, read
from bot.handlers.context import Context
from bot.handlers.words import Translate, translate_for
from bot.transport.outbox import Outbox


@dataclass(slots=True)
class Pressed:
    """A button that was pressed by the person whom it is for."""

    update: Update
    query: CallbackQuery
    press: Press
    outbox: Outbox
    answered: bool = False

    async def answer(self, note: str = "") -> None:
        """End the button's waiting sign, with a note that passes or without. The first answer counts."""
        if not self.answered:
            self.answered = True
            await self.outbox.answer_button(self.query.id, note)


Action = Callable[[Pressed], Awaitable[None]]


class ButtonHandler:
    """Every press of a button of ours."""

    def __init__(self, outbox: Outbox, actions: Mapping[str, Action]) -> None:
        self._outbox = outbox
        self._actions = actions

    async def on_press(self, update: Update, _context: Context) -> None:
        """Do what the button says, if it is for whoever pressed it."""
        query = update.callback_query
        if query is None:
            return
        press = read(query.data or "")
        if refusal := self._refusal(query, press, translate_for(update)):
            await self._outbox.answer_button(query.id, refusal)
        elif press is not None:
            pressed = Pressed(update, query, press, self._outbox)
            await self._actions[press.action](pressed)
            await pressed.answer()

    def _refusal(self, query: CallbackQuery, press: Press | None, _: Translate) -> str:
        if press is None or press.action not in self._actions:
            return _("This button is from an older version of me.")
        return "" if press.user_id in (0, query.from_user.id) else _("This button is for somebody else.")
