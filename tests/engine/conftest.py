"""Tiny random models of every family that the engine computes, and an engine around each."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from bot.engine.backend import Place, open_backend
from bot.engine.kv import Pool
from bot.engine.loop import Engine
from bot.engine.requests import Done, Event, Request, Scored, Tokens
from bot.engine.scheduler import Budget

VOCABULARY = 320
CONTEXT = 512
SMALL_STEPS = Budget(idle=24, streaming=8, scoring=4, verdicts=24)

SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": CONTEXT,
}
MANY_HEADS = {"num_attention_heads": 18, "num_key_value_heads": 1}
"""More of one group than attention takes at once."""
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
FAMILIES: dict[str, Callable[[], PreTrainedModel]] = {
    "qwen1.5": lambda: Qwen2ForCausalLM(
        Qwen2Config(**SIZES | {"num_key_value_heads": 4}, tie_word_embeddings=False)
    ),
    "qwen2.5": lambda: Qwen2ForCausalLM(Qwen2Config(**SIZES, tie_word_embeddings=True)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES | MANY_HEADS, head_dim=80)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=LLAMA3_ROPE)),
    "smollm2": lambda: LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=True)),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**SIZES, sliding_window=48)),
}


class Harness:
    """An engine, its model in transformers for comparison, and what came out so far."""

    def __init__(self, engine: Engine, network: PreTrainedModel) -> None:
        self.engine = engine
        self.network = network
        self.events: list[Event] = []

    def run(self, *requests: Request) -> int:
        """Submit and step until nothing is left to do; the pool's books must balance after every step.

        Returns the number of steps.
        """
        for request in requests:
            self.engine.submit(request)
        steps = 0
        while self.engine.busy:
            self.step()
            steps += 1
        return steps

    def step(self) -> list[Event]:
        """One step."""
        events = self.engine.step()
        self.events += events
        self.engine.pool.check()
        return events

    def tokens(self, request: Request) -> list[int]:
        """What was drawn for a request."""
        return [
            token
            for event in self.events
            if isinstance(event, Tokens) and event.request is request
            for token in event.tokens
        ]

    def done(self, request: Request) -> Done:
        """The end of a request; there must be exactly one."""
        [done] = [event for event in self.events if isinstance(event, Done) and event.request is request]
        return done

    def scores(self, request: Request) -> list[float]:
        """The log-probabilities of a Score."""
        [scored] = [event for event in self.events if isinstance(event, Scored) and event.request is request]
        return list(scored.log_probabilities)

    def reference(self, prompt: Iterable[int], count: int) -> list[int]:
        """What transformers' greedy generate continues with."""
        prompt = list(prompt)
        with torch.inference_mode():
            output = self.network.generate(
                torch.tensor([prompt]),
                max_new_tokens=count,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=0,
            )
        return output[0, len(prompt) :].tolist()


def build(family: str) -> PreTrainedModel:
    """A random model whose logits are far enough apart that rounding decides nothing."""
    torch.manual_seed(7)
    network = FAMILIES[family]().eval()
    for parameter in network.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(0, 0.15)
        elif parameter.dim() == 1:
            parameter.data.add_(torch.randn_like(parameter) * 0.1)
    return network


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, PreTrainedModel]]:
    """One saved tiny model per family."""
    made = {}
    for family in FAMILIES:
        network = build(family)
        folder = tmp_path_factory.mktemp(family.replace(".", ""))
        network.save_pretrained(folder)
        made[family] = (folder, network)
    return made


@pytest.fixture(scope="session")
def library_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the native library is compiled to, once per run."""
    return tmp_path_factory.mktemp("native")


Make = Callable[..., Harness]


@pytest.fixture
def harness(
    folders: dict[str, tuple[Path, PreTrainedModel]], tmp_path: Path, library_cache: Path
) -> Iterator[Make]:
    """Makes an engine; every pool that was made is checked once more at the end.

    "torch" is what this CPU gets where nothing can be compiled.
    """
    made: list[Harness] = []

    def make(
        family: str = "qwen2.5",
        weights: Any = "fp32",
        *,
        running: int = 4,
        memory: int = 64 << 20,
        budget: Budget = SMALL_STEPS,
    ) -> Harness:
        folder, network = folders[family]
        compiling, wanted = (None, "auto") if weights == "torch" else (library_cache, weights)
        place = Place(folder, tmp_path / f"{family}.int8", compiling)
        forward = open_backend(place, wanted, context=CONTEXT, threads=2).forward
        pool = Pool(forward.kv_shape, memory)
        engine = Engine(forward, pool, running=running, context=CONTEXT, budget=budget)
        made.append(Harness(engine, network))
        return made[-1]

    yield make
    for harness in made:
        harness.engine.pool.check()


@pytest.fixture
def prompt() -> Callable[[int], list[int]]:
    """Random prompts of a given length, never the same twice in a test."""
    generator = torch.Generator().manual_seed(11)
    return lambda length: torch.randint(0, VOCABULARY, (length,), generator=generator).tolist()
