"""A probe speaks for the one model and the one question that it was fitted to, and for nothing else."""

import asyncio
import shutil
from dataclasses import replace

import pytest
import torch

from bot.model import manifest, probes
from bot.model.api import ChatMessage
from bot.model.local import LocalModel
from bot.model.manifest import LocalWeights
from bot.model.parts import LocalSettings
from bot.model.probes import About, Probe

CHECKSUM = "5" * 64
ABOUT = About(CHECKSUM, task="mood", prompt="Good or bad?", labels=("good", "bad"), layers=1)
HIDDEN = 64


def question(text, prompt="Good or bad?"):
    return [ChatMessage("system", prompt), ChatMessage("user", text)]


@pytest.fixture
def open_model(tiny_model, tmp_path):
    """Opens the tiny model with whatever was written into the folder of the probes."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    manifest.write(LocalWeights(folder, "tiny", "", "", CHECKSUM), folder)
    (tmp_path / "fitted").mkdir()
    settings = LocalSettings(weights="fp32", context=512, threads=1, fitted=tmp_path / "fitted")
    return lambda: LocalModel.opened(folder, settings)


@pytest.fixture
def write(tmp_path):
    """Writes a probe that weighs states at random."""

    def save(about):
        torch.manual_seed(2)
        weights, bias = torch.randn(3, 2 * HIDDEN), torch.randn(3)
        probes.save(Probe(about, weights, bias), tmp_path / "fitted" / "one.safetensors")

    return save


async def test_a_probe_answers_its_own_question_and_knows_when_no_label_fits(open_model, write):
    write(ABOUT)
    async with open_model() as model:
        choices = [await model.classify("mood", question(text), ABOUT.labels) for text in ("a", "Hello", "…")]
    for choice in choices:
        assert 0 < choice.neither < 1
        assert sum(choice.probabilities.values()) == pytest.approx(1)
        assert choice.probability == choice.probabilities[choice.label] == max(choice.probabilities.values())
    assert len({choice.neither for choice in choices}) == 3


async def test_the_same_text_is_judged_the_same_again(open_model, write):
    """The second time the constant start is there already, so the text is read in one piece."""
    write(ABOUT)
    async with open_model() as model:
        first, second = [await model.classify("mood", question("Hello"), ABOUT.labels) for _ in range(2)]
    assert second.neither == pytest.approx(first.neither, abs=1e-5)


async def test_what_stands_before_a_text_is_computed_ahead_once_for_all_who_come_at_once(open_model, write):
    examples = (("Hello", "good"), ("Bye", "bad"))
    write(replace(ABOUT, question="?", examples=examples))
    async with open_model() as model:
        at_once = await asyncio.gather(
            *(model.classify("mood", question(text), ABOUT.labels) for text in ("a", "b", "c"))
        )
        choice = await model.classify("mood", question("Hi"), ABOUT.labels)
    assert [message.text for message in choice.read] == [
        "Good or bad?", "Hello?", "good", "Bye?", "bad", "Hi?",
    ]  # fmt: skip
    assert all(each.usage.cached > each.usage.prompt / 2 for each in (*at_once, choice))


@pytest.mark.parametrize(
    ("task", "prompt", "labels"),
    [
        ("taste", "Good or bad?", ABOUT.labels),
        ("mood", "Good or evil?", ABOUT.labels),
        ("mood", "Good or bad?", ("bad", "good")),
        ("mood", "Good or bad?", ("good", "evil")),
    ],
)
async def test_any_other_question_is_answered_by_the_labels_scores(open_model, write, task, prompt, labels):
    async with open_model() as model:
        expected = await model.classify(task, question("Hello", prompt), labels)
    write(ABOUT)
    async with open_model() as model:
        assert await model.classify(task, question("Hello", prompt), labels) == expected
    assert expected.neither is None


async def test_earlier_messages_make_another_question(open_model, write):
    write(ABOUT)
    messages = [*question("Hi")[:1], ChatMessage("user", "Hi"), ChatMessage("assistant", "good")]
    async with open_model() as model:
        choice = await model.classify("mood", [*messages, *question("Hello")[1:]], ABOUT.labels)
    assert choice.neither is None


@pytest.mark.parametrize("checksum", ["6" * 64, ""])
async def test_another_model_has_no_probe(open_model, write, checksum):
    write(About(checksum, ABOUT.task, ABOUT.prompt, ABOUT.labels, ABOUT.layers))
    async with open_model() as model:
        choice = await model.classify("mood", question("Hello"), ABOUT.labels)
    assert choice.neither is None


def test_a_folder_of_ones_own_has_no_probe(tmp_path):
    assert list(probes.load("", tmp_path)) == []


async def test_what_cannot_be_computed_ahead_is_told_and_judged_later(open_model, write, monkeypatch, caplog):
    write(ABOUT)
    choose, calls = Probe.choose, iter(range(10))

    def fail_once(self, last, mean):
        if next(calls) == 0:
            raise RuntimeError("not now")
        return choose(self, last, mean)

    monkeypatch.setattr(Probe, "choose", fail_once)
    async with open_model() as model:
        choice = await model.classify("mood", question("Hello"), ABOUT.labels)
    assert choice.label in ABOUT.labels
    assert "could not be computed ahead" in caplog.text
    assert "not now" in caplog.text
