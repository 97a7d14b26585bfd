"""Tasks as an operator defines them: what is there without a word, what can be changed, and mistakes by their key."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.config import ConfigError, load
from bot.definitions import BUILT_IN, OWN_COMMANDS, Classification, Generation, said
from bot.handlers.menu import commands

Configured = Callable[[str], Path]

pytestmark = pytest.mark.usefixtures("home")

KIND = "kind = 'classification'\nprompt = 'p'\ndescription = 'd'\n"


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """A configuration file with this text."""

    def write(text: str) -> Path:
        file = tmp_path / "config.toml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def test_the_bots_own_commands_cannot_be_tasks() -> None:
    assert {name for name, _, _ in commands(str)} | {"start"} == OWN_COMMANDS


def test_summary_and_intent_are_there_without_a_word() -> None:
    tasks = load().tasks
    assert list(tasks) == list(BUILT_IN) == ["summary", "intent"]
    assert isinstance(tasks["summary"], Generation)
    assert isinstance(tasks["intent"], Classification)


def test_what_is_there_is_changed_key_by_key_and_switched_off(configured: Configured) -> None:
    config = load(configured("[tasks.summary]\nmessages = 5\n[tasks.intent]\nenabled = false\n"))
    summary = config.enabled_tasks["summary"]
    assert isinstance(summary, Generation)
    assert (summary.messages, summary.prompt) == (5, BUILT_IN["summary"]["prompt"])
    assert list(config.enabled_tasks) == ["summary"]


def test_a_task_of_another_kind_takes_the_place_whole(configured: Configured) -> None:
    text = f"[tasks.summary]\n{KIND}labels = {{ long = 'long', short = 'short' }}\n"
    assert isinstance(load(configured(text)).tasks["summary"], Classification)


def test_a_text_is_for_everybody_or_by_language(configured: Configured) -> None:
    text = f"[tasks.x]\n{KIND}labels = {{ a = {{ en = 'A', zh = '甲' }}, b = {{ zh = '乙' }} }}\n"
    task = load(configured(text)).tasks["x"]
    assert isinstance(task, Classification)
    assert [said(task.description, language) for language in ("en", "zh")] == ["d", "d"]
    assert [said(task.labels["a"], language) for language in ("en", "zh")] == ["A", "甲"]
    assert said(task.labels["b"], "en") == "乙"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tasks = 5", "tasks: must be tables, [tasks.NAME]"),
        ("[tasks]\nx = 5", "tasks.x: must be a table, [tasks.x]"),
        ("[tasks.x]\nprompt = 'p'", "tasks.x.kind: must be there, 'classification' or 'generation'"),
        ("[tasks.x]\nkind = 'y'", "tasks.x.kind = 'y': must be 'classification' or 'generation'"),
        ("[tasks.x]\nkind = 'generation'\nprompt = 'p'", "tasks.x.description: a generation needs it"),
        ("[tasks.summary]\nprompt = ''", "tasks.summary.prompt = '': must have at least 1 character"),
        ("[tasks.summary]\npromt = 'p'", "tasks.summary.promt: unknown key; a generation has enabled, "),
        ("[tasks.summary]\nlabels = {}", "tasks.summary.labels: unknown key; a generation has enabled, "),
        (
            "[tasks.summary]\nmax_new_tokens = 'x'",
            "tasks.summary.max_new_tokens = 'x': must be a valid integer",
        ),
        (
            "[tasks.summary]\nmax_new_tokens = 0",
            "tasks.summary.max_new_tokens = 0: must be greater than or equal to 1",
        ),
        (
            "[tasks.summary]\nmax_new_tokens = 4096",
            "tasks.summary.max_new_tokens = 4096: must be less than model.context = 4096",
        ),
        (
            "[tasks.summary]\ntemperature = 3",
            "tasks.summary.temperature = 3: must be less than or equal to 2",
        ),
        (
            "[tasks.summary]\ndescription = 5",
            "tasks.summary.description = 5: must be a text, or one for each language",
        ),
        (
            "[tasks.summary]\ndescription = { fr = 'x' }",
            "tasks.summary.description = {'fr': 'x'}: must be a text, or one",
        ),
        (
            "[tasks.summary]\nexamples = [['a']]",
            "tasks.summary.examples.0 = ['a']: must be a text and the right answer",
        ),
        (f"[tasks.x]\n{KIND}labels = {{ a = 'A' }}", "tasks.x.labels = ['a']: must be at least two"),
        (
            f"[tasks.x]\n{KIND}labels = {{ a = 'A', ' a' = 'B' }}",
            "tasks.x.labels = ['a', ' a']: must be different words",
        ),
        (
            f"[tasks.x]\n{KIND}labels = {{ a = 'A', b = 5 }}",
            "tasks.x.labels.b = 5: must be a text, or one for each language",
        ),
        (
            f"[tasks.x]\n{KIND}labels = {{ a = 'A', b = 'B' }}\nexamples = [['t', 'c']]",
            "tasks.x.examples: 'c' is none of the labels ['a', 'b']",
        ),
        (
            f"[tasks.Loud]\n{KIND}",
            "tasks.Loud: must be a command: up to 32 of a–z, 0–9 and _, a letter first",
        ),
        (f"[tasks.new]\n{KIND}", "tasks.new: /new is a command of the bot itself; choose another name"),
    ],
)
def test_a_mistake_is_named_with_key_and_reason(text: str, told: str, configured: Configured) -> None:
    with pytest.raises(ConfigError) as refused:
        load(configured(text))
    assert told in str(refused.value)


def test_variables_change_tasks_and_define_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SUMMARY__PROMPT": "Be brief.",
        "SUMMARY__MAX_NEW_TOKENS": "50",
        "INTENT__ENABLED": "false",
        "MOOD2__KIND": "classification",
        "MOOD2__PROMPT": "Good or bad?",
        "MOOD2__DESCRIPTION": '"good or bad"',
        "MOOD2__LABELS": '{"Good": "👍", "bad": {"en": "👎 bad", "zh": "👎 差"}}',
        "MOOD2__EXAMPLES": '[["I like it", "Good"]]',
    }.items():
        monkeypatch.setenv(f"TANDEM_TASKS__{name}", value)
    tasks = load().enabled_tasks
    summary, mood = tasks["summary"], tasks["mood2"]
    assert isinstance(summary, Generation)
    assert (summary.prompt, summary.max_new_tokens, "intent" in tasks) == ("Be brief.", 50, False)
    assert isinstance(mood, Classification)
    assert list(mood.labels) == ["Good", "bad"]
    assert mood.examples == (("I like it", "Good"),)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("SUMMARY__DESCRIPTION", "brief", "TANDEM_TASKS__SUMMARY__DESCRIPTION: must be JSON, "),
        ("SUMMARY__PROMT", "brief", "tasks.summary.promt: unknown key"),
        ("SUMMARY", "{}", "unknown environment variable TANDEM_TASKS__SUMMARY"),
        ("X__PROMPT", "p", "tasks.x.kind: must be there"),
    ],
)
def test_a_mistake_in_a_variable(name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TANDEM_TASKS__{name}", value)
    with pytest.raises(ConfigError) as refused:
        load()
    assert str(refused.value).startswith(told)
