"""What tests of several packages share: a tiny random model with a tokenizer, and the real ones."""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from playwright.async_api import Browser, Page, async_playwright
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import Qwen2Config, Qwen2ForCausalLM

from bot.config import cache_home
from bot.engine.native import library
from bot.engine.native.compilation import NotCompiled
from bot.model.weights import ensure
from bot.sandbox.server import Running

# Whoever runs the tests may read Chinese; what they start speaks English unless they say otherwise.
os.environ["LC_ALL"] = "C.UTF-8"
os.environ.pop("LANGUAGE", None)

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTROL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has configured nothing, in an empty folder."""
    for name in [name for name in os.environ if name.upper().startswith(("TANDEM_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder as hubs keep it: random weights, one token per byte, Qwen's control tokens and template."""
    folder = tmp_path_factory.mktemp("tiny")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: index for index, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(CONTROL_TOKENS)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": CHAT_TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    end = tokenizer.token_to_id("<|im_end|>")
    torch.manual_seed(5)
    network = Qwen2ForCausalLM(
        Qwen2Config(
            hidden_size=64,
            intermediate_size=160,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            vocab_size=tokenizer.get_vocab_size(),
            max_position_embeddings=4096,
            tie_word_embeddings=True,
            eos_token_id=end,
        )
    ).eval()
    for parameter in network.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(0, 0.15)
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def real_model_folder() -> Path:
    """The default model, fetched once into the user's cache, with the engine compiled where that is possible."""
    models = cache_home() / "models"
    with suppress(NotCompiled):
        library.load(models / "native")
    return ensure("qwen2.5-coder-0.5b-instruct", models).folder


@pytest.fixture(scope="session")
def small_model_folder() -> Path:
    """SmolLM2-135M, fetched once into the user's cache."""
    return ensure("smollm2-135m", cache_home() / "models").folder


CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Debian's Chromium. Without it the tests are skipped with a reason, and fail in CI."""
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is missing: the page was not tested in a browser (make test installs it)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return CHROMIUM


@pytest.fixture
async def browser(chromium: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
async def new_page(browser: Browser, running: Running) -> AsyncIterator[Callable[..., Awaitable[Page]]]:
    """Open the sandbox's page as somebody; in the end nothing may have gone wrong or outside in it."""
    problems: list[str] = []

    async def new(person: str = "Ann", chat: str | None = None, **context: Any) -> Page:
        options = {"locale": "en-GB", "viewport": {"width": 1100, "height": 800}, **context}
        page = await (await browser.new_context(**options)).new_page()
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        page.on("request", lambda sent: problems.append(sent.url) if running.url not in sent.url else None)
        world = running.world
        me = world.user(person).id
        await page.goto(f"{running.url}#{me}/{world.chat(chat or person).id}")
        await page.get_by_test_id("chat-title").wait_for()
        return page

    yield new
    assert problems == []
