"""Fits the draft of the default model: `python tools/fit_draft.py` (half an hour on two cores).

The model answers questions as it does in a chat, with the bot's own prompt and sampling, and a small network learns to
tell from the state and the token of each step what it says next. Answers about some topics are never fitted to: on
those the report tells how often guesses are right, and whether they are as probable as they claim.
"""

import argparse
import random
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, linear

from bot.config import Chat, cache_home
from bot.engine.decoder import Forward
from bot.engine.draft import DraftWeights
from bot.engine.guess import OFF
from bot.engine.linear import Weight
from bot.engine.loop import Engine
from bot.engine.requests import Generate
from bot.engine.running import Stream
from bot.engine.sampling import SamplingParameters
from bot.engine.successor import next_states
from bot.model import drafts, manifest
from bot.model.api import ChatMessage
from bot.model.catalogue import DEFAULT
from bot.model.parts import LocalSettings, Parts, load_parts, make_engine
from bot.model.weights import ensure

QUESTIONS = Path(__file__).with_name("questions.toml")
HELD_OUT = 12
"""Topics of each language that nothing is fitted to."""

AT_ONCE = 32
RANK, GUESSABLE, DEPTH = 512, 8192, 2
EPOCHS, BATCH, LEARNING_RATE = 6, 256, 1e-3
CHANCES = (0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True, slots=True)
class Answers:
    """Steps of answers, one after another: `states`, bfloat16 [steps, hidden], and the `tokens`, int64 [steps], that
    were drawn from them. `left` is how many more the same answer has.
    """

    states: Tensor
    tokens: Tensor
    left: Tensor


class Recording(Engine):
    """An engine that keeps what every token was drawn from, by the place of its request."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(
            engine.decoder,
            engine.pool,
            running=engine.max_running,
            context=engine.context,
            budget=engine.budget,
        )
        self.guessing = OFF
        self.steps: dict[Generate, list[tuple[Tensor, int]]] = {}

    def _append(self, stream: Stream, tokens: Sequence[int]) -> None:
        assert stream.state is not None
        self.steps.setdefault(stream.request, []).append((stream.state.bfloat16(), tokens[0]))
        super()._append(stream, tokens)


@dataclass(slots=True)
class Network:
    """What is fitted, float32; `head` are the rows of the guessable tokens. See DraftWeights."""

    forward: Forward
    guessable: Tensor
    head: Tensor
    inner: Tensor
    outer: Tensor
    other: Tensor

    def depths(self, answers: Answers, rows: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """The first, second … token behind each of `rows`, as far as its answer goes: rows, logits, right classes."""
        classes = torch.full((int(max(answers.tokens.max(), self.guessable.max())) + 1,), len(self.guessable))
        classes[self.guessable] = torch.arange(len(self.guessable))
        states, head = answers.states[rows].float(), torch.cat((self.head, self.other[None]))
        for depth in range(DEPTH):
            on = answers.left[rows] > depth
            states, rows = states[on], rows[on]
            states = next_states(
                states,
                self.forward.embed(answers.tokens[rows + depth]),
                lambda x: linear(x, self.inner),
                lambda x: linear(x, self.outer),
            )
            yield rows, linear(states, head), classes[answers.tokens[rows + depth + 1]]

    def weights(self) -> DraftWeights:
        """As the engine wants it."""
        inner, outer, other = (one.detach() for one in (self.inner, self.outer, self.other))
        return DraftWeights(Weight(inner), Weight(outer), self.guessable, other)


def main() -> None:
    """Answer, fit, tell, write."""
    arguments = _arguments()
    folder = ensure(DEFAULT.name, cache_home() / "models").folder
    found = manifest.read(folder)
    assert found is not None
    settings = LocalSettings(running=AT_ONCE, library_cache=folder.parent / "native")
    parts = load_parts(folder, settings)
    chance = random.Random(5)
    asked, held_out = (list(questions(chance, held_out=held_out)) for held_out in (False, True))
    arguments.cache.mkdir(parents=True, exist_ok=True)
    known = answers(parts, asked[: arguments.answers], arguments.cache / f"known-{arguments.answers}.pt")
    few = arguments.answers // 10
    unknown = answers(parts, held_out[:few], arguments.cache / f"unknown-{few}.pt")
    torch.set_num_threads(settings.cores)
    network = fit(parts.backend.forward, known, unknown)
    drafts.save(network.weights(), found.checksum, drafts.FOLDER / f"{DEFAULT.name}.safetensors")


def questions(chance: random.Random, *, held_out: bool) -> Iterator[str]:
    """All that can be put together, in an order of their own."""
    made = []
    for words in tomllib.loads(QUESTIONS.read_text(encoding="utf-8")).values():
        topics = words["topics"][-HELD_OUT:] if held_out else words["topics"][:-HELD_OUT]
        made += [form.format(topic, chance.choice(topics)) for form in words["forms"] for topic in topics]
    chance.shuffle(made)
    yield from made


def answers(parts: Parts, asked: Sequence[str], kept: Path) -> Answers:
    """What the model says, or what it said when this was done before."""
    if not kept.exists():
        torch.save(_answer(parts, asked), kept)
    return Answers(**torch.load(kept))


def _answer(parts: Parts, asked: Sequence[str]) -> dict[str, Tensor]:
    engine, chat = Recording(make_engine(parts)), Chat()
    for seed, question in enumerate(asked):
        prompt = parts.encoder.prompt(
            [ChatMessage("system", chat.system_prompt), ChatMessage("user", question)]
        )
        sampling = SamplingParameters(chat.temperature, chat.top_p, chat.top_k, chat.repetition_penalty, seed)
        engine.submit(
            Generate(
                prompt.tokens,
                prompt.system,
                sampling=sampling,
                max_new_tokens=chat.max_new_tokens,
                stop_tokens=parts.encoder.stop_tokens,
            )
        )
    while engine.busy:
        engine.step()
        print(f"\r{len(engine.steps)}/{len(asked)} answers", end="", flush=True)
    print()
    said = engine.steps.values()
    return {
        "states": torch.stack([state for steps in said for state, _ in steps]),
        "tokens": torch.tensor([token for steps in said for _, token in steps]),
        "left": torch.cat([torch.arange(len(steps)).flip(0) for steps in said]),
    }


def fit(forward: Forward, known: Answers, unknown: Answers) -> Network:
    """Adam with a learning rate that falls to zero; tells after every epoch what the network makes of `unknown`."""
    torch.manual_seed(1)
    guessable = torch.bincount(known.tokens).argsort(descending=True)[:GUESSABLE].sort().values
    head, hidden = forward.output_rows(guessable), known.states.shape[1]
    inner = torch.randn(RANK, 2 * hidden).div_((2 * hidden) ** 0.5).requires_grad_()
    outer = torch.zeros(hidden, RANK).requires_grad_()
    other = torch.zeros(hidden).requires_grad_()
    network = Network(forward, guessable, head, inner, outer, other)
    optimiser = torch.optim.AdamW([inner, outer, other], LEARNING_RATE, weight_decay=0.05)
    batches = EPOCHS * (len(known.tokens) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, batches)
    for epoch in range(EPOCHS):
        began = time.monotonic()
        for rows in torch.randperm(len(known.tokens)).split(BATCH)[: batches // EPOCHS]:
            optimiser.zero_grad()
            torch.stack([cross_entropy(*one) for _, *one in network.depths(known, rows)]).sum().backward()
            optimiser.step()
            schedule.step()
        print(f"epoch {epoch + 1} of {EPOCHS}, {time.monotonic() - began:.0f} s")
        report(network, unknown)
    return network


@torch.inference_mode()
def report(network: Network, unknown: Answers) -> None:
    """How often the first, the first two … guesses are right; of those that claim more, how many there are and are."""
    right_so_far = torch.ones(len(unknown.tokens), dtype=torch.bool)
    chance_so_far = torch.ones(len(unknown.tokens))
    for depth, (rows, logits, right) in enumerate(network.depths(unknown, torch.arange(len(unknown.tokens)))):
        probable, guess = logits[:, :-1].max(1)
        chance_so_far[rows] *= (probable - logits.logsumexp(1)).exp()
        right_so_far[rows] &= guess == right
        claims = [
            f"{(chances > least).float().mean():.0%} claim {least:.0%}, {true[chances > least].float().mean():.0%} are"
            for least in CHANCES
            for chances, true in [(chance_so_far[rows], right_so_far[rows])]
        ]
        print(f"  first {depth + 1} right: {right_so_far[rows].float().mean():.1%}; {'; '.join(claims)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--answers", type=int, default=1200, help="how many questions are answered")
    parser.add_argument("--cache", type=Path, default=cache_home() / "draft", help="where answers are kept")
    return parser.parse_args()


if __name__ == "__main__":
    main()
