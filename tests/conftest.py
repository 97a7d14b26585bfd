"""What tests of several packages share: a tiny random model with a tokenizer, and the real ones."""

import json
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import Qwen2Config, Qwen2ForCausalLM

from bot.config import cache_home
from bot.model.weights import ensure

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTROL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


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
    """The default model, fetched once into the user's cache."""
    return ensure("qwen2.5-coder-0.5b-instruct", cache_home() / "models").folder


@pytest.fixture(scope="session")
def small_model_folder() -> Path:
    """SmolLM2-135M, fetched once into the user's cache."""
    return ensure("smollm2-135m", cache_home() / "models").folder
