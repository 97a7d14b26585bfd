"""A draft saves steps, and never changes what is drawn."""

from itertools import pairwise

import pytest
import torch
from torch.nn.functional import cross_entropy, linear

from bot.engine.draft import Draft, DraftWeights
from bot.engine.guess import OFF, Guessing
from bot.engine.linear import Weight
from bot.engine.loop import Engine
from bot.engine.requests import Generate, Tokens
from bot.engine.sampling import SamplingParameters
from bot.engine.successor import next_states
from bot.model import drafts
from bot.model.api import ChatMessage
from bot.model.parts import LocalSettings, load_parts, make_engine

HIDDEN, RANK = 64, 32
EVERYTHING = Guessing(most=4, few=0.0, more=0.0)


def random_weights(guessable):
    """Guesses that are hardly ever right."""
    generator = torch.Generator().manual_seed(2)
    inner, outer = (torch.randn(size, generator=generator) for size in ((RANK, 2 * HIDDEN), (HIDDEN, RANK)))
    return DraftWeights(Weight(inner), Weight(outer), torch.tensor(guessable), torch.zeros(HIDDEN))


def packed(weights, run):
    decoder = run.engine.decoder
    return Draft.pack(weights, decoder.output_rows(weights.guessable), decoder)


class Recording(Engine):
    """Keeps the states that tokens were drawn from."""

    def _append(self, stream, tokens):
        self.states = [*getattr(self, "states", []), stream.state]
        super()._append(stream, tokens)


def fitted_weights(run, request):
    """A draft that knows one answer by heart."""
    engine = run.engine
    engine.__class__ = Recording
    run.run(request)
    tokens, states = torch.tensor(run.tokens(request)), torch.stack(engine.states)
    forward = engine.decoder
    guessable = tokens.unique()
    right = torch.searchsorted(guessable, tokens[1:])
    head = torch.cat((forward.output_rows(guessable), torch.zeros(1, HIDDEN)))
    torch.manual_seed(4)
    inner = torch.randn(RANK, 2 * HIDDEN).div_(HIDDEN**0.5).requires_grad_()
    outer = torch.zeros(HIDDEN, RANK).requires_grad_()
    optimiser = torch.optim.Adam([inner, outer], 0.02)
    for _ in range(150):
        optimiser.zero_grad()
        guessed = next_states(
            states[:-1], forward.embed(tokens[:-1]), lambda x: linear(x, inner), lambda x: linear(x, outer)
        )
        cross_entropy(linear(guessed, head), right).backward()
        optimiser.step()
    return DraftWeights(Weight(inner.detach()), Weight(outer.detach()), guessable, torch.zeros(HIDDEN))


# Only the compiled library computes a row to the bit the same in any company. float32 rounds a little differently,
# which a draw at the border of two tokens may notice.
@pytest.mark.parametrize(("weights", "temperature"), [("fp32", 0.0), ("native", 0.0), ("native", 0.8)])
def test_answers_are_the_same_with_and_without_a_draft(harness, prompt, weights, temperature):
    drawn = SamplingParameters(temperature=temperature, top_k=8, repetition_penalty=1.05, seed=9)
    texts = [prompt(6) * 5, prompt(40), prompt(30)]
    found = []
    for guessing in (OFF, EVERYTHING):
        run = harness("qwen2.5", weights)
        run.engine.guessing = guessing
        run.engine.draft = packed(random_weights(range(10, 200)), run)
        requests = [Generate(text, max_new_tokens=60, sampling=drawn) for text in texts]
        run.run(*requests)
        found.append([run.tokens(request) for request in requests])
    assert found[0] == found[1]


@pytest.mark.parametrize("weights", ["fp32", "native"])
def test_right_guesses_save_steps_and_stop_tokens_and_limits_hold(harness, prompt, weights):
    text = prompt(20)
    plain = harness("qwen2.5", weights)
    learned = fitted_weights(plain, request := Generate(text, max_new_tokens=100))
    answer = plain.tokens(request)
    run = harness("qwen2.5", weights)
    run.engine.guessing = Guessing(most=3, few=0.1, more=0.1)
    run.engine.draft = packed(learned, run)
    again = Generate(text, max_new_tokens=100)
    assert run.run(again) < 70
    assert run.tokens(again) == answer
    for length in (1, 2, 3, 50):
        short = Generate(text, max_new_tokens=length)
        run.run(short)
        assert run.tokens(short) == answer[:length]
        assert run.done(short).reason == "length"
    stop = answer[60]
    stopped = Generate(text, max_new_tokens=100, stop_tokens=frozenset({stop}))
    run.run(stopped)
    assert run.tokens(stopped) == answer[: answer.index(stop)]
    assert run.done(stopped).reason == "stop"


def test_only_guesses_that_are_probable_enough_are_checked(harness, prompt):
    run = harness("qwen2.5")
    draft = packed(random_weights(range(10, 200)), run)
    states, tokens = torch.randn(5, HIDDEN) * 3, [1, 2, 3, 4, 5]
    everything = draft.propose(states, tokens, most=3, least_chance=0.0)
    assert [len(row) for row in everything] == [3] * 5
    for row in everything:
        assert all(1 >= one.chance >= other.chance >= 0 for one, other in pairwise(row))
        assert all(guess.token in range(10, 200) for guess in row)
    least = sorted(guess.chance for row in everything for guess in row)[7]
    probable = draft.propose(states, tokens, most=3, least_chance=least)
    assert probable == [[guess for guess in row if guess.chance >= least] for row in everything]


def test_chances_are_those_of_float32(harness):
    exact, native = (
        packed(random_weights(range(10, 200)), harness("qwen2.5", weights)) for weights in ("fp32", "native")
    )
    states, tokens = torch.randn(4, HIDDEN, generator=torch.Generator().manual_seed(1)) * 3, [7, 8, 9, 10]
    for one, other in zip(
        exact.propose(states, tokens, most=1, least_chance=0.0),
        native.propose(states, tokens, most=1, least_chance=0.0),
        strict=True,
    ):
        assert one[0].chance == pytest.approx(other[0].chance, rel=0.3)


def test_a_draft_is_kept_for_its_model_and_for_no_other(tmp_path):
    made = random_weights(range(5, 50))
    drafts.save(made, "abc", tmp_path / "one.safetensors")
    assert drafts.load("other", tmp_path) is None
    assert drafts.load("", tmp_path) is None
    found = drafts.load("abc", tmp_path)
    assert found is not None
    assert torch.equal(found.guessable, made.guessable)
    assert torch.allclose(found.inner.dequantized(), made.inner.values, atol=0.05)


QUESTIONS = ("为什么天空是蓝色的？", "How do I boil an egg?", "给我讲一个关于狐狸的故事。")


@pytest.mark.real_model
def test_the_default_models_draft_saves_steps(real_model_folder):
    parts = load_parts(real_model_folder, LocalSettings(library_cache=real_model_folder.parent / "native"))
    assert parts.draft is not None
    sampling = SamplingParameters(temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.1, seed=3)
    steps, said = {}, {}
    for guessing in (OFF, Guessing(most=3, few=0.1, more=0.1)):
        engine = make_engine(parts)
        engine.guessing = guessing
        steps[guessing], said[guessing] = 0, []
        for question in QUESTIONS:
            prompt = parts.encoder.prompt([ChatMessage("user", question)])
            engine.submit(Generate(prompt.tokens, sampling=sampling, max_new_tokens=100))
            while engine.busy:
                for event in engine.step():
                    said[guessing] += event.tokens if isinstance(event, Tokens) else ()
                steps[guessing] += 1
    plain, guessed = steps
    if parts.backend.name == "native":
        assert said[plain] == said[guessed]
    assert steps[guessed] < 0.85 * steps[plain]
