"""`eval feedback` as an operator sees it: agreement of verdicts with the people they are about, while the bot runs."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bot.history.schema import upgrade

MOODS = [
    ("positive", "negative"),
    ("positive", "positive"),
    ("neutral", "negative"),
    ("negative", "negative"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Five judged messages, and opinions about four of them."""
    file = tmp_path / "tandem.sqlite3"
    upgrade(f"sqlite+aiosqlite:///{file}")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("INSERT INTO conversations VALUES (1, 1, 11, 0, 11, 'private', 0)")
        for number, (verdict, _) in enumerate([*MOODS, ("positive", "")]):
            connection.execute(
                "INSERT INTO turns (id, conversation_id, user_id, message_id, question, created_at, attempts, state,"
                " answer_ids, reply, delivered, sentiment, sentiment_probability)"
                " VALUES (?, 1, 11, 1, 'a secret', '2026-11-22', 1, 'done', '[]', '', 1, ?, 0.8)",
                [number, verdict],
            )
        for number, (verdict, correction) in enumerate(MOODS):
            connection.execute(
                "INSERT INTO feedback VALUES (?, 11, ?, 0.8, ?, '2026-11-22')", [number, verdict, correction]
            )
        connection.commit()
    return file


def run(file: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "bot", "eval", "feedback", *arguments],
        cwd=file.parent,
        env=os.environ | {"TANDEM_DATABASE__URL": f"sqlite+aiosqlite:///{file}", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_json_tells_agreement_and_confusion(file: Path) -> None:
    found = json.loads(run(file, "--json").stdout)
    assert (found["judged"], found["rows"], found["accuracy"]) == (5, 4, 0.5)
    assert found["balanced_accuracy"] == pytest.approx((1 + 1 / 3) / 2)
    assert found["ece"] == pytest.approx(0.3)
    assert found["confusion"]["negative"] == {"negative": 1, "neutral": 1, "positive": 1}


def test_people_get_three_lines(file: Path) -> None:
    told = run(file).stdout.splitlines()
    assert told[0] == "judged     5 messages"
    assert told[1].startswith("opinions   4: agreement 50.0%, balanced 66.7%, macro-F1 ")
    assert "negative → negative 1, neutral 1, positive 1" in told[2]


def test_no_opinions_and_no_database_are_told(file: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DELETE FROM feedback")
        connection.commit()
    assert "none yet" in run(file).stdout
    assert json.loads(run(file, "--json").stdout) == {"judged": 5, "rows": 0}
    missing = run(tmp_path / "nothing.sqlite3")
    assert missing.returncode == 1
    assert missing.stderr.startswith("error: ")
