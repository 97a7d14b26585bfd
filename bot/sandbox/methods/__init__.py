"""The methods of the Bot API, by lower-case name. `registry` says what a method is."""

from . import chats, commands, inline, media, messages, reactions, updates
from .registry import METHODS, Api

__all__ = ["METHODS", "Api", "chats", "commands", "inline", "media", "messages", "reactions", "updates"]
