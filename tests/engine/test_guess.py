"""Guessed tokens save steps and never change what is drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.guess import OFF, Belief, Guess, Guessing, Recall
from bot.engine.requests import Generate
from bot.engine.sampling import SamplingParameters
from bot.engine.scheduler import Costs

GUESSING = Guessing(most=5, row=0.01)


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


def test_a_guess_must_be_the_likelier_the_more_people_are_answered():
    # A step with one row takes 16 ms here, and every further row 1 ms.
    guessing = Guessing.for_costs(Costs(0.016, 0.002, more_s=0.001))
    chances = [guessing.least_chance(streams) for streams in (1, 4, 16)]
    assert chances == pytest.approx([1 / 17, 1 / 5, 1 / 2])


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
