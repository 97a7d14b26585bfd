"""Guessed tokens save steps and never change what is drawn."""

import operator
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.guess import OFF, Belief, Guess, Guessing, Recall
from bot.engine.requests import Generate
from bot.engine.sampling import SamplingParameters
from bot.engine.scheduler import Costs

GUESSING = Guessing(most=5, few=0.01, more=0.01)


@pytest.mark.parametrize("weights", ["fp32", "torch", "native"])
@pytest.mark.parametrize("temperature", [0.0, 0.3, 0.8])
def test_answers_are_the_same_with_and_without_guesses(harness, prompt, weights, temperature):
    drawn = SamplingParameters(temperature=temperature, top_k=8, repetition_penalty=1.05, seed=9)
    texts = [prompt(6) * 5, prompt(12) * 3, prompt(30)]
    found = []
    for guessing in (OFF, GUESSING):
        run = harness("qwen2.5", weights)
        run.engine.guessing = guessing
        requests = [Generate(text, max_new_tokens=60, sampling=drawn) for text in texts]
        run.run(*requests)
        found.append([run.tokens(request) for request in requests])
    assert found[0] == found[1]


def test_a_text_that_repeats_itself_takes_fewer_steps(harness, prompt):
    text = prompt(20)
    steps = {}
    for guessing in (OFF, GUESSING):
        run = harness("qwen2.5")
        run.engine.guessing = guessing
        steps[guessing] = run.run(Generate(text, max_new_tokens=200))
    assert steps[GUESSING] < 0.9 * steps[OFF]


def test_a_stop_token_among_right_guesses_ends_the_answer(harness, prompt):
    text = prompt(20)
    plain = harness("qwen2.5")
    request = Generate(text, max_new_tokens=200)
    plain.run(request)
    stop = plain.tokens(request)[-1]
    for guessing in (OFF, GUESSING):
        run = harness("qwen2.5")
        run.engine.guessing = guessing
        request = Generate(text, max_new_tokens=200, stop_tokens=frozenset({stop}), conversation="a")
        run.run(request)
        assert run.done(request).reason == "stop"
        assert stop not in run.tokens(request)
        # What is kept for the next turn is exactly what was said, without any wrong guess.
        again = Generate([*text, *run.tokens(request), 5], max_new_tokens=3, conversation="a")
        run.run(again)
        assert run.tokens(again) == run.reference(again.tokens, 3)


def looked_up(tokens, most):
    return [guess.token for guess in Recall().propose(tokens, most, 0.0)]


def test_the_newest_occurrence_of_the_longest_ending_is_continued():
    assert looked_up([1, 2, 3, 9, 1, 2, 3, 8, 1, 2, 3], 2) == [8, 1]
    assert looked_up([7, 2, 3, 9, 5, 1, 2, 3, 8, 6, 7, 2, 3], 1) == [9]
    assert looked_up([1, 2, 3, 4], 3) == []
    assert looked_up([1, 2, 1, 2], 0) == []
    assert looked_up([], 3) == []


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(0, 6), st.integers(0, 40))
def test_a_guess_is_always_something_that_stood_behind_the_same_ending(tokens, most, known):
    recall = Recall()
    recall.propose(tokens[:known], most, 0.0)
    guess = [guess.token for guess in recall.propose(tokens, most, 0.0)]
    assert guess == looked_up(tokens, most)
    assert len(guess) <= most
    if guess:
        ending = tokens[-2:]
        joined = [tokens[i : i + 2 + len(guess)] for i in range(len(tokens))]
        assert ending + guess in joined


def test_what_was_said_before_is_trusted_while_it_comes_again():
    recall, text = Recall(), [1, 2, 3, 4, 5, 1, 2]
    assert len(recall.propose(text, 4, 0.1)) == 3
    for _ in range(5):
        recall.learn([Guess(1, 0.5)] * 4, 0)
    assert len(recall.propose(text, 4, 0.1)) == 1
    for _ in range(15):
        recall.learn([Guess(1, 0.5)] * 4, 0)
    assert recall.propose(text, 4, 0.1) == []
    for _ in range(10):
        recall.learn([Guess(1, 0.5)] * 3, 3)
    assert len(recall.propose(text, 4, 0.1)) == 4


# A step with one row takes 20 ms here, with six 25 ms, with seven 30 ms.
MEASURED = Guessing.for_costs(Costs(0.020, 0.002, few_s=0.001, more_s=0.005))


def test_a_guess_must_be_the_likelier_the_more_people_are_answered():
    chances = [MEASURED.least_chance(streams, streams) for streams in (1, 4, 16)]
    assert chances == pytest.approx([1 / 20, 4 / 23, 5 * 16 / 75])


def test_the_likeliest_guesses_are_checked_while_they_bring_more_than_their_rows_take():
    assert MEASURED.worthwhile(1, [[0.9, 0.8, 0.5, 0.08]]) == [3]
    assert MEASURED.worthwhile(3, [[0.9, 0.3], [0.1], [0.5, 0.5]]) == [1, 0, 2]
    # Beyond six rows, or beside rows of prompts, nothing is worth a row.
    assert MEASURED.worthwhile(6, [[0.9]] * 6) == [0] * 6
    assert MEASURED.worthwhile(30, [[0.1]]) == [1]
    assert MEASURED.worthwhile(30, [[0.02]]) == [0]
    assert MEASURED.worthwhile(0, []) == []


@given(st.lists(st.lists(st.floats(0, 1), max_size=4), max_size=8), st.integers(0, 40))
def test_more_guesses_never_bring_fewer_tokens_per_second(factors, beside):
    chances = [list(accumulate(own, operator.mul)) for own in factors]
    rows = len(chances) + beside
    counts = MEASURED.worthwhile(rows, chances)
    assert all(count <= len(own) for count, own in zip(counts, chances, strict=True))
    tokens = len(chances) + sum(sum(own[:count]) for count, own in zip(counts, chances, strict=True))
    assert tokens * (seconds(rows)) >= len(chances) * seconds(rows + sum(counts)) * (1 - 1e-9)


def seconds(rows):
    return 0.020 + 0.001 * (min(rows, 6) - 1) + 0.005 * max(rows - 6, 0)


def test_a_draft_that_promised_too_much_is_believed_less():
    belief = Belief()
    assert belief.factor == 1
    for _ in range(200):
        belief.learn([Guess(1, 0.8), Guess(2, 0.6)], 1)
        belief.learn([Guess(1, 0.6)], 0)
    assert belief.factor == pytest.approx(0.5, abs=0.05)
    for _ in range(2000):
        belief.learn([Guess(1, 0.6)], 0)
    assert belief.factor == Belief.LEAST
    for _ in range(400):
        belief.learn([Guess(1, 0.6)], 1)
    assert belief.factor == 1
