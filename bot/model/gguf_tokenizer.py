"""The tokenizer inside a GGUF file → tokenizer.json, tokenizer_config.json and the ids that end a turn.

Byte-level BPE (Qwen, Llama 3, SmolLM2) is rebuilt with the splitting rules that its name stands for;
SentencePiece (Llama 2, Mistral) goes through transformers. Knows nothing of weights.
"""

import json
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, processors
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Sequence, Split

from bot.model.files import UnsupportedModel

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # llama.cpp's token types
END_OF_TURN = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "</s>")
QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_WORDS = QWEN2_WORDS.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)


class Metadata:
    """The key-value part of a GGUF file, by name."""

    def __init__(self, reader: GGUFReader) -> None:
        self._fields = reader.fields
        self.architecture = self.text("general.architecture")

    def value(self, key: str) -> object:
        """What the file says under `key`, or under `<architecture>.key`; None when it says nothing."""
        field = self._fields.get(key) or self._fields.get(f"{getattr(self, 'architecture', '')}.{key}")
        return None if field is None else field.contents()

    def text(self, key: str) -> str:
        value = self.value(key)
        return value if isinstance(value, str) else ""

    def texts(self, key: str) -> list[str]:
        value = self.value(key)
        return value if isinstance(value, list) else []

    def number(self, key: str, default: int | None = None) -> int:
        value = self.value(key)
        if isinstance(value, int):
            return value
        if value is None and default is not None:
            return default
        raise UnsupportedModel(
            f"the GGUF file says {value!r} for {key}: a number is needed, use another file"
        )

    def real(self, key: str, default: float) -> float:
        value = self.value(key)
        # The shortest text of a float32: 1e-06, not 9.999999974752427e-07.
        return float(str(np.float32(value))) if isinstance(value, int | float) else default


def write(source: Path, metadata: Metadata, folder: Path) -> None:
    """Write the tokenizer of `source` and its chat template into `folder`. Raises UnsupportedModel."""
    kind = metadata.text("tokenizer.ggml.model")
    if kind == "gpt2":
        _byte_level(metadata).save(str(folder / "tokenizer.json"))
    elif kind == "llama":
        _through_transformers(source).save(str(folder / "tokenizer.json"))
    else:
        raise UnsupportedModel(
            f"a GGUF tokenizer of kind {kind!r} cannot be converted: use the safetensors model"
        )
    text = json.dumps(_settings(metadata), indent=2, ensure_ascii=False)
    (folder / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")


def special_ids(metadata: Metadata) -> dict[str, object]:
    """For generation_config.json. A turn ends at the file's own end token and at its well-known kin."""
    control = {token: number for number, (token, kind) in enumerate(_tokens(metadata)) if kind == CONTROL}
    named = [metadata.value(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot", "eom")]
    known = [control[token] for token in END_OF_TURN if token in control]  # Qwen's `</s>` is plain text
    ids = {
        "bos_token_id": metadata.value("tokenizer.ggml.bos_token_id"),
        "eos_token_id": list(dict.fromkeys(n for n in [*named, *known] if n is not None)),
        "pad_token_id": metadata.value("tokenizer.ggml.padding_token_id"),
    }
    return {key: value for key, value in ids.items() if value is not None}


def _tokens(metadata: Metadata) -> list[tuple[str, int]]:
    """Every token with its type, in the order of their ids."""
    tokens, types = metadata.texts("tokenizer.ggml.tokens"), metadata.value("tokenizer.ggml.token_type")
    return list(zip(tokens, types if isinstance(types, list) else [NORMAL] * len(tokens), strict=True))


def _byte_level(metadata: Metadata) -> Tokenizer:
    tokens = _tokens(metadata)
    merges = [
        (left, right)
        for left, _, right in (m.partition(" ") for m in metadata.texts("tokenizer.ggml.merges"))
    ]
    vocabulary = {t: n for n, (t, kind) in enumerate(tokens) if kind != UNUSED}
    name = metadata.text("tokenizer.ggml.pre")
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=name == "llama-bpe"))
    if name == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = _splitting(name)
    tokenizer.decoder = decoders.ByteLevel()
    for kind in (CONTROL, USER_DEFINED):
        added = [token for token, its in tokens if its == kind]
        tokenizer.add_tokens(
            [AddedToken(token, special=kind == CONTROL, normalized=False) for token in added]
        )
    bos = metadata.value("tokenizer.ggml.bos_token_id")
    if metadata.value("tokenizer.ggml.add_bos_token") and isinstance(bos, int):
        first = tokens[bos][0]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first} $A", pair=f"{first} $A $B", special_tokens=[(first, bos)]
        )
    return tokenizer


def _splitting(name: str) -> PreTokenizer:
    """How text is cut before BPE, by llama.cpp's name for it (`llama_vocab_pre_type`)."""
    if words := {"qwen2": QWEN2_WORDS, "llama-bpe": LLAMA3_WORDS}.get(name):
        split = Split(Regex(words), behavior="isolated")
        return Sequence([split, ByteLevel(add_prefix_space=False, use_regex=False)])
    if name == "smollm":
        return Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
    if name in {"gpt-2", "default", ""}:
        return ByteLevel(add_prefix_space=False)
    raise UnsupportedModel(
        f"the GGUF tokenizer cuts words like {name!r}: use the model's safetensors instead"
    )


def _through_transformers(source: Path) -> Tokenizer:
    from transformers import AutoTokenizer

    converted = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    tokenizer: Tokenizer = converted.backend_tokenizer
    return tokenizer


def _settings(metadata: Metadata) -> dict[str, object]:
    """tokenizer_config.json: the generic class, because transformers' own rebuild parts of tokenizer.json."""
    tokens = metadata.texts("tokenizer.ggml.tokens")
    settings: dict[str, object] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": metadata.number("context_length"),
        "clean_up_tokenization_spaces": False,
    }
    for role, key in {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}.items():
        number = metadata.value(f"tokenizer.ggml.{key}_token_id")
        if isinstance(number, int):
            settings[f"{role}_token"] = tokens[number]
    if template := metadata.text("tokenizer.chat_template"):
        settings["chat_template"] = template
    return settings
