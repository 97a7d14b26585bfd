"""The converted tokenizer cuts text as the original does, and brings every text back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf as gguf_format
import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from bot.model import gguf
from bot.model.files import UnsupportedModel, silent

Tiny = Callable[..., Any]
TEXTS = [
    "今天的实验终于成功了，太棒了！",
    "The theory: don't panic, it's 2024.\n\n\tIndented  twice ",
    "😀👩‍👩‍👧🏽 🇨🇳 ½ naïve Ελληνικά עברית हिन्दी",
    "<|im_start|>user\nhello<|im_end|>\n<|endoftext|>",
    "",
]


@pytest.fixture
def tokenizer_of(tiny_gguf: Tiny, tmp_path: Path) -> Callable[..., PreTrainedTokenizerFast]:
    def make(pre: str, architecture: str = "qwen2") -> PreTrainedTokenizerFast:
        source = tiny_gguf(architecture, pre=pre).write(tmp_path / f"{pre}.gguf")
        folder = source.with_suffix("")
        folder.mkdir()
        gguf.convert(source, folder, silent)
        return AutoTokenizer.from_pretrained(folder)

    return make


@pytest.mark.parametrize("pre", ["qwen2", "llama-bpe", "smollm", "gpt-2"])
@pytest.mark.parametrize("text", TEXTS)
def test_every_text_comes_back(tokenizer_of: Callable[..., Any], pre: str, text: str) -> None:
    tokenizer = tokenizer_of(pre, "qwen2" if pre == "qwen2" else "llama")
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text


def test_numbers_and_lines_are_cut_by_the_rules_of_the_family(tokenizer_of: Callable[..., Any]) -> None:
    """The merges know `20`, `202` and ` 2`: only the cutting decides whether they may be used."""
    text = "the 2024\n"
    assert tokenizer_of("qwen2").tokenize(text) == ["t", "he", "Ġ", "2", "0", "2", "4", "Ċ"]
    assert tokenizer_of("llama-bpe", "llama").tokenize(text) == ["t", "he", "Ġ", "202", "4", "Ċ"]
    assert tokenizer_of("smollm", "llama").tokenize(text) == ["t", "he", "Ġ", "2", "0", "2", "4", "Ċ"]
    assert tokenizer_of("gpt-2", "llama").tokenize(text) == ["t", "he", "Ġ2", "0", "2", "4", "Ċ"]


def test_control_tokens_are_single_and_special(tokenizer_of: Callable[..., Any]) -> None:
    tokenizer = tokenizer_of("qwen2")
    [end] = tokenizer("<|im_end|>").input_ids
    assert end == tokenizer.eos_token_id
    assert tokenizer.decode([end], skip_special_tokens=True) == ""
    assert len(tokenizer("<|im_end|>", split_special_tokens=True).input_ids) > 1


def test_the_chat_template_and_the_ids_that_end_a_turn_come_along(tiny_gguf: Tiny, tmp_path: Path) -> None:
    source = tiny_gguf().write(tmp_path / "tiny.gguf")
    folder = tmp_path / "tiny"
    folder.mkdir()
    gguf.convert(source, folder, silent)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hi"}], tokenize=False, add_generation_prompt=True
    )
    assert prompt == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    ends = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))["eos_token_id"]
    assert tokenizer.convert_ids_to_tokens(ends) == ["<|im_end|>", "<|endoftext|>"]


def test_an_unknown_way_to_cut_words_is_refused(tokenizer_of: Callable[..., Any]) -> None:
    with pytest.raises(UnsupportedModel, match="deepseek-coder"):
        tokenizer_of("deepseek-coder")


def test_sentencepiece_goes_through_transformers(tiny_gguf: Tiny, tmp_path: Path) -> None:
    """Llama 2 and Mistral files: pieces with scores, bytes as a last resort."""
    pieces = [
        "<unk>",
        "<s>",
        "</s>",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        "▁",
        "h",
        "i",
        "▁h",
        "▁hi",
        "今",
    ]
    kinds = [gguf_format.TokenType.UNKNOWN, *[gguf_format.TokenType.CONTROL] * 2]
    kinds += [gguf_format.TokenType.BYTE] * 256 + [gguf_format.TokenType.NORMAL] * 6

    class SentencePiece(tiny_gguf):
        def _write_tokens(self, writer: gguf_format.GGUFWriter) -> None:
            writer.add_tokenizer_model("llama")
            writer.add_token_list(pieces)
            writer.add_token_scores([0.0] * 259 + [-5.0, -4.0, -3.0, -2.0, -1.0, -6.0])
            writer.add_token_types(kinds)
            writer.add_bos_token_id(1)
            writer.add_eos_token_id(2)
            writer.add_unk_token_id(0)

    source = SentencePiece("llama", settings={"vocab_size": len(pieces)}).write(tmp_path / "pieces.gguf")
    folder = tmp_path / "pieces"
    folder.mkdir()
    gguf.convert(source, folder, silent)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("hi 今😀", add_special_tokens=False).input_ids
    assert tokenizer.convert_ids_to_tokens(ids[:1]) == ["▁hi"]
    assert tokenizer.decode(ids) == "hi 今😀"
    assert tokenizer.convert_tokens_to_ids(["<s>", "</s>"]) == [
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
    ]
