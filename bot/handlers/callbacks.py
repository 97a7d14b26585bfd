"""Callback data: what a button says when it is pressed, and who alone may press it. Pure.

Telegram gives 64 bytes. The version comes first, so that buttons of an older bot are told from ours.
"""

from dataclasses import dataclass

VERSION = "1"
MOST_BYTES = 64


@dataclass(frozen=True, slots=True)
class Press:
    """A button's meaning: what to do, for whom, and with which value.

    `user_id` 0 is for whoever the action itself finds to have the right.
    """

    action: str
    user_id: int
    value: str = ""

    @property
    def data(self) -> str:
        """As Telegram keeps it. Raises ValueError for what would not fit."""
        data = f"{VERSION}|{self.action}|{self.user_id}|{self.value}"
        if len(data.encode()) > MOST_BYTES:
            raise ValueError(f"the button {self.action!r} has more than {MOST_BYTES} bytes of data")
        return data


def read(data: str) -> Press | None:
    """The meaning of a button; None if this version of the bot did not make it."""
    version, _, rest = data.partition("|")
    parts = rest.split("|", 2)
    if version != VERSION or len(parts) != 3 or not parts[1].isdecimal():
        return None
    return Press(parts[0], int(parts[1]), parts[2])
