"""Guesses the next tokens from what was said before, to be checked in the same forward pass.

Prompt lookup decoding (Saxena 2023): where the last few tokens have occurred before, what followed then is likely to
follow again. A guess costs a row and never changes what is drawn. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LONGEST, SHORTEST = 4, 2
"""Lengths of the endings that are looked up, in tokens."""

LOOKBACK = 2048
"""Tokens that are searched, newest first."""


def propose(tokens: Sequence[int], most: int) -> list[int]:
    """Up to `most` tokens that followed the newest earlier occurrence of the longest known ending of `tokens`."""
    if most < 1:
        return []
    start = max(0, len(tokens) - LOOKBACK)
    last = len(tokens) - 1
    for length in range(LONGEST, SHORTEST - 1, -1):
        ending = tokens[last + 1 - length :]
        for end in range(last, start + length - 1, -1):
            if tokens[end - 1] == ending[-1] and tokens[end - length : end] == ending:
                return list(tokens[end : end + most])
    return []


@dataclass(slots=True)
class Trust:
    """How often guesses came true lately, and so how many are worth a row."""

    rate: float = 0.5
    MEMORY = 0.8

    def learn(self, guessed: int, accepted: int) -> None:
        """Some guesses were checked."""
        if guessed:
            self.rate = self.MEMORY * self.rate + (1 - self.MEMORY) * accepted / guessed

    def most(self, limit: int) -> int:
        """How many tokens to guess."""
        return round(limit * min(1.0, 2 * self.rate)) if self.rate > 0.1 else 0
