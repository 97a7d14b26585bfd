"""parse_mode: text with formatting marks in, plain text and entities out.

HTML, MarkdownV2 and the old Markdown, refused in the words of td/telegram/MessageEntity.cpp.
Pure functions; what happens to the entities afterwards is in `entities`.
"""

from bot.sandbox.entities import EntityError

from .html import Html
from .markdown import Markdown, MarkdownV2
from .parser import Parsed

KINDS = {"html": Html, "markdownv2": MarkdownV2, "markdown": Markdown}


def parse(text: str, mode: str) -> Parsed:
    """Raises EntityError in Telegram's words."""
    kind = KINDS.get(mode.lower())
    if kind is None:
        raise EntityError("unsupported parse_mode")
    return kind(text).parse()
