"""Whatever is logged, by whomever: no token gets out."""

import io
import logging
from collections.abc import Iterator

import pytest

from bot.transport.redaction import redact_logs

TOKEN = "123456789:AAH-abcdefghijklmnopqrstuvwxyz_12345"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a log file would hold."""
    factory, root, stream = logging.getLogRecordFactory(), logging.getLogger(), io.StringIO()
    levels = {name: logging.getLogger(name).level for name in ("httpx", "httpcore", "telegram")}
    handler = logging.StreamHandler(stream)
    root.addHandler(handler)
    redact_logs(["p@ss word"])
    yield stream
    root.removeHandler(handler)
    logging.setLogRecordFactory(factory)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_tokens_are_hidden_in_messages_and_arguments(written: io.StringIO) -> None:
    logging.getLogger("anybody").warning("calling %s", f"https://api.telegram.org/bot{TOKEN}/getMe")
    logging.getLogger("anybody").warning(f"https://host/bot{TOKEN.replace(':', '%3A')}/getMe")  # noqa: G004
    assert "AAH" not in written.getvalue()
    assert "/getMe" in written.getvalue()


def test_tokens_are_hidden_in_tracebacks(written: io.StringIO) -> None:
    try:
        try:
            raise ValueError(TOKEN)
        except ValueError as error:
            raise RuntimeError("outer") from error
    except RuntimeError:
        logging.getLogger("anybody").exception("failed")
    assert "AAH" not in written.getvalue()
    assert "RuntimeError: outer" in written.getvalue()


def test_given_secrets_are_hidden(written: io.StringIO) -> None:
    logging.getLogger("anybody").warning("through %s", "socks5://user:p@ss word@host")
    assert written.getvalue() == "through socks5://user:<secret>@host\n"


def test_a_malformed_call_gives_nothing_away_either(written: io.StringIO) -> None:
    logging.getLogger("anybody").warning("%d items", TOKEN)
    assert "AAH" not in written.getvalue()
    assert "%d items" in written.getvalue()


def test_usual_records_and_times_stay_as_they_are(written: io.StringIO) -> None:
    logging.getLogger("anybody").warning("%d updates at %s", 3, "12:34:56.789")
    assert written.getvalue() == "3 updates at 12:34:56.789\n"


def test_libraries_that_tell_addresses_only_warn(written: io.StringIO) -> None:
    logging.getLogger("httpx").info("HTTP Request: POST https://…")
    logging.getLogger("telegram.Bot").debug("parameters")
    assert written.getvalue() == ""
