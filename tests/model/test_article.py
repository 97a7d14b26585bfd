"""The article's way is a program that tells step by step what it does."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CHAT = {
    "messages": [{"role": "system", "text": "Be kind."}, {"role": "user", "text": "Hello"}],
    "sampling": {"max_new_tokens": 6, "temperature": 0},
}


def run(folder: Path, **order: object) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "bot.model.article", str(folder)],
        input=json.dumps(order),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_mood_and_answer_one_after_the_other(tiny_model: Path) -> None:
    loaded, judged, *grown, end = run(tiny_model, sentiment="Mood:", chat=CHAT)
    assert loaded["loaded_s"] > 0
    assert isinstance(judged["verdict"], str)
    assert "".join(step["text"] for step in grown)
    assert 0 < judged["verdict_s"] < end["first_token_s"] < end["total_s"]
    assert end["generated"] <= 6
    assert end["peak_bytes"] > 1 << 20


def test_only_what_was_asked_for(tiny_model: Path) -> None:
    assert [set(step) for step in run(tiny_model, sentiment="Mood:", chat=None)] == [
        {"loaded_s"},
        {"verdict", "verdict_s"},
        {"total_s", "peak_bytes"},
    ]
