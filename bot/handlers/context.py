"""The type of python-telegram-bot's context, which the handlers get and do not need."""

from typing import Any

from telegram.ext import CallbackContext

Context = CallbackContext[Any, Any, Any, Any]
