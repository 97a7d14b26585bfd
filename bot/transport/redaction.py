"""Redaction: no log record leaves this process with a secret in it, whoever wrote it.

Knows what bot tokens look like, and the secrets that it is given.
"""

import logging
import re
import traceback
from collections.abc import Iterable

_TOKEN = re.compile(r"(?<!\d)\d{3,}(?::|%3[aA])[A-Za-z0-9_-]{20,}")
_HIDDEN = "<secret>"
# They log addresses with the token in them (httpx) and what people wrote (telegram, at DEBUG).
_TALKATIVE = ("httpx", "httpcore", "telegram")


def redact_logs(secrets: Iterable[str] = ()) -> None:
    """From now on tokens and `secrets` are hidden in every record; talkative libraries only warn."""
    hide = _Redactor(secrets)
    make_record = logging.getLogRecordFactory()

    def make_clean_record(*args: object, **fields: object) -> logging.LogRecord:
        record: logging.LogRecord = make_record(*args, **fields)
        hide.clean(record)
        return record

    logging.setLogRecordFactory(make_clean_record)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Redactor:
    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted(filter(None, secrets), key=len, reverse=True)
        self._secret = re.compile("|".join([*map(re.escape, known), _TOKEN.pattern]))

    def clean(self, record: logging.LogRecord) -> None:
        """Write the record anew if its message or its traceback holds a secret."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # logging itself reports such a call, with all that was passed
            message = f"{record.msg} {record.args}"
        if self._secret.search(message):
            record.msg, record.args = self._secret.sub(_HIDDEN, message), None
        if record.exc_info and record.exc_info[0]:
            told = "".join(traceback.format_exception(*record.exc_info)).rstrip()
            if self._secret.search(told):
                record.exc_info, record.exc_text = None, self._secret.sub(_HIDDEN, told)
