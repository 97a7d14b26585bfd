"""Reply markup: read from a call, checked, and turned into what stays with a message."""

from pydantic import Field

from bot.sandbox.errors import bad_request
from bot.sandbox.objects import Button, JsonObject, Keyboard, Thing

MAX_CALLBACK_DATA = 64
_ACTIONS = ("callback_data", "url", "switch_inline_query", "switch_inline_query_current_chat", "copy_text")


class ReplyMarkup(Thing):
    """Of the kinds of reply markup only inline keyboards stay with the message."""

    inline_keyboard: list[list[Button]] = Field(default_factory=list)
    keyboard: list[list[str | JsonObject]] = Field(default_factory=list)
    remove_keyboard: bool = False
    force_reply: bool = False


def checked_keyboard(markup: ReplyMarkup | None) -> Keyboard:
    """The inline keyboard. Raises ApiError for a button that Telegram refuses."""
    rows = [row for row in (markup.inline_keyboard if markup else []) if row]
    for button in (button for row in rows for button in row):
        _check(button)
    return rows


def _check(button: Button) -> None:
    if not button.text:
        raise bad_request('can\'t parse inline keyboard button: Field "text" must be of type String')
    if all(getattr(button, action) is None for action in _ACTIONS):
        reason = "Text buttons are unallowed in the inline keyboard"
        raise bad_request(f"can't parse inline keyboard button: {reason}")
    if button.callback_data is not None and not 1 <= len(button.callback_data.encode()) <= MAX_CALLBACK_DATA:
        raise bad_request("BUTTON_DATA_INVALID")
    if button.url is not None and not button.url.startswith(("http://", "https://", "tg://")):
        raise bad_request(f"inline keyboard button URL '{button.url}' is invalid: Wrong HTTP URL")
