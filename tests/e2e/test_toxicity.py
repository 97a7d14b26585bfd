"""The task of config.example.toml, as its operator and its users meet it: ten lines, and the real model."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from bot.cli.hood import Hood, names_of
from bot.config import Config, load
from bot.sandbox.menu import menu

pytestmark = pytest.mark.real_model

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
TEXTS = [
    ("You are the dumbest person I know, shut up.", "有毒"),
    ("滚远点，看见你就恶心，废物。", "有毒"),
    ("Could you please send me the report tomorrow?", "正常"),
    ("今天的会议改到下午三点。", "正常"),
]


@pytest.fixture
def hood(real_model_folder):
    """It tells what was computed and what was there already."""
    return Hood(real_model_folder, names_of(Config()))


@pytest.fixture
def config(tmp_path):
    """What an operator does: take the ten lines as they stand in the example."""
    lines = EXAMPLE.read_text(encoding="utf-8")
    task = re.search(r"^#\[tasks\.toxicity\]\n(#.*\n?)+", lines, re.MULTILINE)
    file = tmp_path / "config.toml"
    file.write_text(re.sub("^#", "", task.group(), flags=re.MULTILINE), encoding="utf-8")
    return file


async def test_ten_lines_of_configuration_are_a_command(real_bot, ann, li_lei, telegram, config):
    world = telegram.world
    async with real_bot(tasks=load(config).tasks):
        rude = await ann.reply("/toxicity You are the dumbest person I know, shut up.")
        assert re.fullmatch(r"🤬 toxic · \d+%", rude.text)
        kind = await li_lei.reply("/toxicity 今天的会议改到下午三点。")
        assert re.fullmatch(r"🙂 正常 · \d+%", kind.text)
        assert "/toxicity – does a message insult somebody?" in (await ann.reply("/help")).text
        offered = menu(world.state, world.chat("李雷"), world.user("李雷"))
        assert ("toxicity", "这条消息是否伤人") in [(each.command, each.description) for each in offered]
        cached = [await reused(telegram, person) for person in (ann, li_lei)]
    # The second one asks after the same examples, so they are not read again.
    assert cached[0] == 0
    assert cached[1] > 50


async def reused(telegram, reader):
    """Tokens that the first verdict of a chat did not have to read."""
    question = reader.person.messages()[0]
    async with httpx.AsyncClient(base_url=telegram.url, trust_env=False) as http:
        told = (await http.get(f"/hood/{reader.person.user.id}/{question.message_id}")).json()
    (request,) = told["requests"]
    assert request["task"] == "toxicity"
    return request["finish"]["usage"]["cached"]


def test_it_is_measured_on_labelled_texts(config, tmp_path):
    data = tmp_path / "data.jsonl"
    rows = [json.dumps({"text": text, "label": label, "set": "insults"}) for text, label in TEXTS]
    data.write_text("\n".join(rows), encoding="utf-8")
    command = ("eval", "task", "toxicity", str(data), "--json", "--config", str(config))
    done = subprocess.run(
        [sys.executable, "-m", "bot", *command],
        env=os.environ | {"PYTHONPATH": str(EXAMPLE.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["model"]["sets"]["insults"]["confusion"] == {
        "有毒": {"有毒": 2, "正常": 0},
        "正常": {"有毒": 0, "正常": 2},
    }
    assert told["baselines"]["majority"]["balanced_accuracy"] == 0.5
    assert told["model"]["ms_per_text"] > 0
