"""What is drawn follows the distribution that was asked for, and nothing else."""

from collections import Counter

import numpy as np
import pytest
import torch

from bot.engine.native import library
from bot.engine.native.decoder import NativeDecoder
from bot.engine.native.selftest import RandomModel
from bot.engine.sampling import Row, SamplingParameters, sample

VOCABULARY = 50
DRAWS = 20_000


def torch_top(logits, rows, count):
    return logits[rows].topk(count)


@pytest.fixture(scope="module")
def native_top(library_cache):
    return NativeDecoder(library.load(library_cache), RandomModel(), context=8, threads=2).top


@pytest.fixture
def logits():
    return torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(2)) * 2


def draw_many(logits, parameters, seen=()):
    """How often each token is drawn, over many positions."""
    counts = Counter()
    for start in range(0, DRAWS, 1000):
        rows = {i: Row(parameters, start + i, seen) for i in range(1000)}
        counts.update(sample(logits.repeat(1000, 1), rows, torch_top).values())
    return counts


def assert_distribution(counts, expected):
    """Every token that can be drawn is drawn about as often as it should, and no other."""
    for token, probability in enumerate(expected.tolist()):
        deviation = (probability * (1 - probability) / DRAWS) ** 0.5
        assert abs(counts[token] / DRAWS - probability) <= 5 * deviation + 1e-12, token


def test_temperature(logits):
    counts = draw_many(logits, SamplingParameters(temperature=0.7, seed=1))
    assert_distribution(counts, (logits / 0.7).softmax(0))


def test_top_k(logits):
    counts = draw_many(logits, SamplingParameters(temperature=1, top_k=5, seed=1))
    kept = logits.topk(5).indices
    expected = torch.zeros(VOCABULARY)
    expected[kept] = logits[kept].softmax(0)
    assert_distribution(counts, expected)


def test_top_p_keeps_the_fewest_tokens_that_reach_it(logits):
    counts = draw_many(logits, SamplingParameters(temperature=1, top_p=0.6, seed=1))
    probabilities, tokens = logits.softmax(0).sort(descending=True)
    kept = int((probabilities.cumsum(0) < 0.6).sum()) + 1
    expected = torch.zeros(VOCABULARY)
    expected[tokens[:kept]] = probabilities[:kept] / probabilities[:kept].sum()
    assert_distribution(counts, expected)


def test_the_penalty_makes_seen_tokens_less_likely(logits):
    seen = [logits.argmax().item(), logits.argmin().item()]
    counts = draw_many(logits, SamplingParameters(temperature=1, repetition_penalty=1.5, seed=1), seen)
    changed = logits.clone()
    changed[seen] = torch.where(changed[seen] > 0, changed[seen] / 1.5, changed[seen] * 1.5)
    assert_distribution(counts, changed.softmax(0))


def test_greedy_takes_the_largest_and_the_first_of_equals(logits):
    logits[7] = logits[3] = logits.max() + 1
    assert sample(logits[None], {0: Row(SamplingParameters(), 0, ())}, torch_top)[0] in (3, 7)


def test_each_row_is_drawn_for_itself(logits):
    kinds = [
        SamplingParameters(),
        SamplingParameters(temperature=1, top_k=70, seed=4),
        SamplingParameters(temperature=0.5, top_p=0.5, seed=5),
        SamplingParameters(temperature=1.5, top_k=3, repetition_penalty=2, seed=6),
    ]
    rows = {2 * i: Row(parameters, 17 + i, [1, 2, 3]) for i, parameters in enumerate(kinds)}
    alone = {place: sample(logits[None].clone(), {0: row}, torch_top)[0] for place, row in rows.items()}
    assert sample(logits.repeat(7, 1), rows, torch_top) == alone


def test_positions_and_seeds_draw_independently():
    first, second = (SamplingParameters(seed=seed) for seed in (1, 2))
    draws = np.array([[p.draw(position) for position in range(2000)] for p in (first, second)])
    assert abs(np.corrcoef(draws)[0, 1]) < 0.1
    assert abs(np.corrcoef(draws[0, :-1], draws[0, 1:])[0, 1]) < 0.1
    assert first.draw(5) == SamplingParameters(seed=1).draw(5)


@pytest.mark.parametrize("count", [1, 2, 20, 64, 300])
def test_the_native_selection_is_the_sorted_one(native_top, count):
    logits = torch.randn(5, 151_936, generator=torch.Generator().manual_seed(3))
    logits[1] = logits[1].round()  # many equal numbers
    logits[2, :10] = float("-inf")
    rows = [4, 1, 2]
    values, tokens = native_top(logits, rows, count)
    expected, _ = logits[rows].topk(count)
    assert torch.equal(values, expected)
    assert torch.equal(logits[rows].gather(1, tokens.long()), values)
    assert all(len(set(row)) == count for row in tokens.tolist())


def test_the_native_selection_of_everything(native_top):
    logits = torch.randn(2, 50, generator=torch.Generator().manual_seed(3))
    values, tokens = native_top(logits, [0, 1], 50)
    assert torch.equal(values, logits.sort(descending=True).values)
    assert sorted(tokens[0].tolist()) == list(range(50))
