"""The command line as somebody sees it whose terminal is set to Chinese."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.config import ConfigError, load
from bot.locales.terminal import sentence

Speak = Callable[..., "subprocess.CompletedProcess[str]"]
ENGLISH = re.compile(r"(?<![\w.`'-])[A-Za-z]{2,} [a-z]{2,}")
"""Two plain words in a row."""
NAMES = re.compile(r"python -m bot\S*( [a-z]+)*|Ctrl\+C|JSON Lines|(COMMAND|\[ARGS\])\S*|<.*?>")


@pytest.fixture
def speak(tmp_path: Path) -> Speak:
    """Runs a command in Chinese; gives what it said."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "TANDEM_"))}

    def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "bot", *arguments],
            cwd=tmp_path,
            env=inherited | {"LANG": "zh_CN.UTF-8", "COLUMNS": "150", "HOME": str(tmp_path)} | variables,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((), ("用法：", "命令", "在浏览器里试用机器人")),
        (("sandbox",), ("选项", "网页的端口。", "[默认：7860]", "显示本说明并退出。")),
        (("db", "restore"), ("参数", "[必填]", "`db backup` 生成的副本。")),
        (("eval", "sentiment"), ("判断带标签文本的情感", "并给出各集合的平均值")),
    ],
)
def test_help(speak: Speak, command: tuple[str, ...], words: tuple[str, ...]) -> None:
    done = speak(*command, "--help")
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in words), done.stdout
    assert not ENGLISH.search(NAMES.sub("", done.stdout)), done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("dance",), "没有命令 'dance'。"),
        (("sandbx",), "没有命令 'sandbx'。你要找的是 'sandbox' 吗？"),
        (("sandbox", "--prt", "1"), "没有选项 --prt（可选：--port）"),
        (("run", "--zzz"), "没有选项 --zzz"),
        (("sandbox", "--port"), "选项 '--port' 需要一个值。"),
        (("sandbox", "--port", "x"), "'--port' 的值无效：必须是整数"),
        (("sandbox", "--port", "-1"), "'--port' 的值无效：必须大于或等于 0"),
        (("sandbox", "--port", "99999"), "'--port' 的值无效：必须小于或等于 65535"),
        (("bench", "--quick=1"), "选项 '--quick' 不带值。"),
        (("bench", "--engine", "x"), "'--engine' 的值无效：'x' 不在 'local', "),
        (("db", "restore"), "缺少参数 'source'。"),
        (("db", "restore", "a", "b"), "多余的参数（b）"),
    ],
)
def test_wrong_calls(speak: Speak, arguments: tuple[str, ...], words: str) -> None:
    done = speak(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert not ENGLISH.search(NAMES.sub("", done.stderr)), done.stderr


def test_errors_of_commands_and_what_they_print(speak: Speak) -> None:
    failed = speak("run")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == (
        "错误：telegram.token 为空：请把它或 TANDEM_TELEGRAM__TOKEN 设为 @BotFather 给的令牌\n"
    )
    listed = speak("model", "list").stdout
    assert "语言、许可、来源" in listed
    assert "通义千问研究许可（不可商用）" in listed
    checked = speak("check", TANDEM_TELEGRAM__BASE_URL="http://127.0.0.1:1/bot").stdout
    assert "✓ 数据库    还没有：首次启动时会创建" in checked
    assert "→ 请检查网络；在屏蔽 Telegram 的地方请设置 telegram.proxy" in checked
    assert not ENGLISH.search(NAMES.sub("", checked)), checked


@pytest.mark.parametrize(
    "variables",
    [
        {"TANDEM_ACCESS__MODE": "closed"},
        {"TANDEM_ACCESS__TURNS_PER_DAY": "1.5"},
        {"TANDEM_ACCESS__TURNS_PER_DAY": "some"},
        {"TANDEM_ACCESS__TURNS_PER_DAY": "-1"},
        {"TANDEM_CHAT__TEMPERATURE": "hot"},
        {"TANDEM_CHAT__TEMPERATURE": "9"},
        {"TANDEM_CHAT__TOP_P": "0"},
        {"TANDEM_TELEGRAM__INLINE": "perhaps"},
        {"TANDEM_TELEGRAM__PROXY": "ftp://proxy"},
        {"TANDEM_MODEL__CONTEXT": "300"},
        {"TANDEM_MODEL__CONTEX": "300"},
        {"TANDEM_TASKS__SUMMARY__KIND": "other"},
        {"TANDEM_TASKS__SUMMARY__DESCRIPTION": "no JSON"},
    ],
    ids=str,
)
def test_mistakes_in_the_configuration(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        load()
    told = sentence(str(caught.value), "zh_CN")
    assert re.search("[一-龥]", told)
    assert not ENGLISH.search(told.replace("'no JSON'", "")), told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[chat]\ntemperature = 'x'\nsystem_prompt = ''\ngreetings = 3",
            ("必须是数字", "至少要有 1 个字符", "必须是列表"),
        ),
        (
            "[model]\nname = 3\nrunning = 1.5\nfoo = 1",
            ("必须是文本", "不能有小数部分", "未知的键；[model] 有 name"),
        ),
        ("chat = 1\n[telegram]\ninline = 'x'", ("必须是表，即 [chat]", "必须是 true 或 false")),
        ("[personas.a]\ntitle = 3", ("或每种语言一段：{ en = …, zh = … }", "角色需要它")),
        ("[chat", ("不是有效的 TOML",)),
    ],
)
def test_mistakes_in_the_file(text: str, words: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(file)
    told = sentence(str(caught.value), "zh_CN")
    assert all(word in told for word in words), told


def test_english_without_a_locale(speak: Speak) -> None:
    assert "Usage: " in speak("--help", LANG="").stdout
    assert "Usage: " in speak("--help", LC_ALL="C").stdout
    assert "用法：" in speak("--help", LANG="C.UTF-8", LANGUAGE="zh_CN:en").stdout
