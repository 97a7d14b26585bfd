"""What the weight formats cost in quality: `python tools/quality.py > quality.json` (a few minutes, 5 GB of memory).

Two hundred of our own sentences, half Chinese and half English, stand in the bot's chat prompt. Every format is held
against float32 at every token of the text and at the answer's first, and judges the mood of the texts as users get it.
"""

import argparse
import asyncio
import json
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from bot.config import Config, cache_home
from bot.dispatch import make_sentiment
from bot.engine.backend import Place, Wanted, open_backend
from bot.engine.decoder import Batch, Forward, Span
from bot.engine.kv import Pool
from bot.evaluation.judges import Bot
from bot.evaluation.rows import Row, read
from bot.model.api import ChatMessage
from bot.model.catalogue import DEFAULT
from bot.model.local import LocalModel
from bot.model.parts import LocalSettings
from bot.model.tokens import PromptEncoder
from bot.model.weights import ensure

EXACT: Wanted = "fp32"
FORMATS: Sequence[Wanted] = ("native", "int8", "int8-bf16", "bf16")
PLAIN = "transformers in bf16"
"""Everything in bfloat16, activations too: what people use without an engine."""

SENTENCES = Path(__file__).with_name("sentences.jsonl")
MOODS = ("positive", "negative", "neutral")
HAN = re.compile("[\u4e00-\u9fff]")
CONTEXT, THREADS = 1024, 2

Predict = Callable[[Sequence[int], Sequence[int]], Tensor]
"""Logits of a prompt's tokens behind the given places."""


def main() -> None:
    """Compare, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    arguments = parser.parse_args()
    rows, names = choose(arguments.texts), [*arguments.formats, EXACT]
    folder = ensure(DEFAULT.name, cache_home() / "models").folder
    found = dict(predictions(folder, names, rows))
    print(json.dumps(found), file=sys.stderr)
    for name in names:
        found[name]["sentiment_accuracy"] = asyncio.run(sentiment_accuracy(folder, name, rows))
        print(f"{name}: {found[name]}", file=sys.stderr)
    print(json.dumps({"texts": len(rows), "formats": found}, indent=2))


def choose(count: int) -> list[Row]:
    """As many in Chinese as in others, the same every time; none that was made to mislead."""
    known = [row for row in read(SENTENCES, MOODS) if row.set != "inject"]
    random.Random(1).shuffle(known)
    chinese = [row for row in known if HAN.search(row.text)]
    others = [row for row in known if not HAN.search(row.text)]
    return [*chinese[: count // 2], *others[: count - count // 2]]


@torch.inference_mode()
def predictions(
    folder: Path, names: Sequence[Wanted], rows: Sequence[Row]
) -> Iterator[tuple[str, dict[str, float]]]:
    """Of each format: mean divergence from float32 and equal top tokens, over all positions and over the last ones."""
    encoder, system = PromptEncoder(folder), ChatMessage("system", Config().chat.system_prompt)
    prompts = [encoder.prompt([system, ChatMessage("user", row.text)]) for row in rows]
    place = Place(folder, folder / "int8", folder.parent / "native")
    predictors: dict[str, Predict] = {
        name: partial(states_and_head, open_backend(place, name, context=CONTEXT, threads=THREADS).forward)
        for name in names
    }
    predictors[PLAIN] = partial(
        transformers_logits, AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    )
    kls: dict[str, list[Tensor]] = {name: [] for name in predictors}
    same: dict[str, list[Tensor]] = {name: [] for name in predictors}
    for index, prompt in enumerate(prompts, start=1):
        places = [*prompt.text, len(prompt.tokens) - 1]
        rows_of = {
            name: predict(prompt.tokens, places).log_softmax(1) for name, predict in predictors.items()
        }
        exact = rows_of[EXACT]
        weight = exact.exp()
        for name, other in rows_of.items():
            kls[name].append((weight * (exact - other)).sum(1))
            same[name].append((exact.argmax(1) == other.argmax(1)).float())
        print(f"\r{index}/{len(prompts)} texts", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for name in predictors:
        yield name, _means(kls[name], same[name])


def states_and_head(forward: Forward, tokens: Sequence[int], places: Sequence[int]) -> Tensor:
    """The engine's logits behind the tokens at `places`, [places, vocab]."""
    pool, batch = Pool(forward.kv_shape, 1 << 30), Batch()
    batch.add(Span(pool.take(tokens, 0), list(tokens), 0, 0), wanted=len(tokens))
    return forward.logits(forward.forward(batch)[list(places)])


def transformers_logits(network: Any, tokens: Sequence[int], places: Sequence[int]) -> Tensor:
    """The same of plain transformers."""
    logits: Tensor = network(torch.tensor([tokens])).logits[0]
    return logits[list(places)].float()


def _means(kls: Sequence[Tensor], same: Sequence[Tensor]) -> dict[str, float]:
    return {
        "positions": sum(map(len, kls)),
        "kl": torch.cat(list(kls)).mean().item(),
        "equal_top1": torch.cat(list(same)).mean().item(),
        "answer_kl": torch.stack([one[-1] for one in kls]).mean().item(),
        "answer_equal_top1": torch.stack([one[-1] for one in same]).mean().item(),
    }


async def sentiment_accuracy(folder: Path, name: Wanted, rows: Sequence[Row]) -> float:
    """Of the bot's own verdicts."""
    settings = LocalSettings(weights=name, context=CONTEXT, library_cache=folder.parent / "native")
    async with LocalModel.opened(folder, settings) as model:
        judge = Bot(make_sentiment(Config().sentiment, model))
        moods = [(await judge.judge(row.text)).mood for row in rows]
    return sum(mood == row.label for mood, row in zip(moods, rows, strict=True)) / len(rows)


if __name__ == "__main__":
    main()
