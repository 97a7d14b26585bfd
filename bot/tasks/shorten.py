"""Shortening texts to a number of tokens. Knows what a token costs only by asking the model."""

from bot.model.api import ChatMessage, Model

MOST_CHARACTERS = 8
"""A token of usual text has fewer: what is longer need not be counted to be cut."""

GAP = "\n…\n"


def token_count(text: str, model: Model) -> int:
    """Tokens of `text` alone, without the template around it."""
    return model.count_tokens([ChatMessage("user", text)]) - model.count_tokens([ChatMessage("user", "")])


def shortened(text: str, most: int, model: Model) -> str:
    """`text`, or as much of its beginning and its end as `most` tokens hold."""
    kept, short = len(text), text
    if kept > most * MOST_CHARACTERS:
        kept = most * MOST_CHARACTERS
        short = _ends(text, kept)
    while kept and (tokens := token_count(short, model)) > most:
        kept = min(kept * most // tokens, kept - 1)
        short = _ends(text, kept)
    return short


def _ends(text: str, kept: int) -> str:
    return f"{text[: kept - kept // 2]}{GAP}{text[len(text) - kept // 2 :]}"
