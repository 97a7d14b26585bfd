"""The engine as its owner sees it: what comes out for what was submitted, in whatever company."""

import math

import pytest
import torch

from bot.engine.decoder import Decoder
from bot.engine.kv import Pool
from bot.engine.loop import Engine
from bot.engine.requests import Done, Generate, Read, Score, Seen, Started, Tokens
from bot.engine.sampling import SamplingParameters

FAMILIES = ["qwen1.5", "qwen2.5", "qwen3", "llama", "smollm2", "mistral"]


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_text_is_that_of_transformers_token_for_token(harness, prompt, family):
    run = harness(family)
    requests = [Generate(prompt(length), max_new_tokens=24) for length in (1, 3, 20, 41, 70)]
    run.run(*requests)
    for request in requests:
        assert run.tokens(request) == run.reference(request.tokens, 24)
        assert run.done(request).reason == "length"


@pytest.mark.parametrize("family", FAMILIES)
def test_labels_of_several_tokens_are_scored_whole(harness, prompt, family):
    run = harness(family)
    text, candidates = prompt(30), [(5,), (6, 7, 8), (9, 10), (6, 7, 9)]
    request = Score(text, candidates=candidates)
    run.run(request, Generate(prompt(12), max_new_tokens=5))
    expected = []
    for candidate in candidates:
        with torch.inference_mode():
            logits = run.network(torch.tensor([text + list(candidate)])).logits[0].log_softmax(-1)
        expected.append(sum(logits[len(text) - 1 + i, token].item() for i, token in enumerate(candidate)))
    scores = run.scores(request)
    shift = scores[0] - expected[0]
    assert scores == pytest.approx([value + shift for value in expected], abs=1e-4)


def test_a_conversation_continues_from_what_it_already_computed(harness, prompt):
    run = harness()
    first = Generate(prompt(40), max_new_tokens=10, conversation="a")
    run.run(first)
    said = [*first.tokens, *run.tokens(first)]
    second = Generate([*said, *prompt(7)], max_new_tokens=10, conversation="a")
    run.run(second)
    # All but the last drawn token had been fed to the model.
    assert run.done(second).counts.cached == len(said) - 1
    assert run.tokens(second) == run.reference(second.tokens, 10)


def test_a_changed_past_is_reused_up_to_the_change(harness, prompt):
    run = harness()
    first = Generate(prompt(40), max_new_tokens=10, conversation="a")
    run.run(first)
    changed = [*first.tokens[:25], *prompt(15)]
    changed[25] = (first.tokens[25] + 1) % 300
    second = Generate(changed, max_new_tokens=10, conversation="a")
    run.run(second)
    assert run.done(second).counts.cached == 25
    assert run.tokens(second) == run.reference(changed, 10)


def test_the_constant_start_of_a_task_is_computed_once(harness, prompt):
    run = harness()
    start = prompt(20)
    first, second = (Score([*start, *prompt(9)], prefix=20, candidates=[(1,), (2,)]) for _ in range(2))
    run.run(first)
    run.run(second)
    assert (run.done(first).counts.cached, run.done(second).counts.cached) == (0, 20)
    alone = harness()
    again = Score(second.tokens, candidates=second.candidates)
    alone.run(again)
    assert run.scores(second) == pytest.approx(alone.scores(again), abs=1e-4)


def test_the_constant_start_is_computed_once_also_for_those_who_come_together(harness, prompt):
    run = harness()
    start = prompt(30)
    requests = [Generate([*start, *prompt(9)], prefix=30, max_new_tokens=5) for _ in range(4)]
    run.run(*requests)
    assert [run.done(request).counts.cached for request in requests] == [0, 30, 30, 30]
    for request in requests:
        assert run.tokens(request) == run.reference(request.tokens, 5)


def test_who_waited_for_the_constant_start_computes_it_when_the_other_one_leaves(harness, prompt):
    run = harness()
    start = prompt(40)
    requests = [Generate([*start, *prompt(9)], prefix=40, max_new_tokens=5) for _ in range(3)]
    for request in requests:
        run.engine.submit(request)
    run.step()
    run.engine.finish(requests[0], "cancelled")
    run.run()
    assert [run.done(request).counts.cached for request in requests[1:]] == [0, 40]
    for request in requests[1:]:
        assert run.tokens(request) == run.reference(request.tokens, 5)


def test_where_memory_leaves_no_room_for_the_constant_start_nobody_waits_for_it_in_vain(harness, prompt):
    token_bytes = harness().engine.pool.shape.token_bytes
    run = harness(memory=4 * 64 * token_bytes)
    start = prompt(40)
    requests = [Generate([*start, *prompt(9)], prefix=40, max_new_tokens=5) for _ in range(4)]
    run.run(*requests)
    assert [run.done(request).counts.cached for request in requests[:2]] == [0, 0]
    for request in requests:
        assert run.tokens(request) == run.reference(request.tokens, 5)


def test_the_same_prompt_at_once_in_two_conversations_shares_nothing_by_accident(harness, prompt):
    run = harness()
    text = prompt(30)
    requests = [Generate(text, max_new_tokens=12, conversation=name) for name in ("a", "b")]
    run.run(*requests)
    assert run.tokens(requests[0]) == run.tokens(requests[1]) == run.reference(text, 12)


def test_streams_join_and_leave_at_any_step(harness, prompt):
    run = harness(running=3)
    requests = [Generate(prompt(10 + 7 * i), max_new_tokens=3 + 5 * i) for i in range(5)]
    for request in requests:
        run.engine.submit(request)
        run.step()
    run.run()
    for request in requests:
        assert run.tokens(request) == run.reference(request.tokens, request.max_new_tokens)


def test_a_verdict_overtakes_a_long_prompt(harness, prompt):
    run = harness()
    history = Generate(prompt(300), max_new_tokens=3)
    run.engine.submit(history)
    run.step()
    verdict = Score(prompt(20), candidates=[(1,), (2,)])
    run.engine.submit(verdict)
    run.step()
    assert run.scores(verdict)
    assert not run.tokens(history)
    run.run()
    assert run.tokens(history) == run.reference(history.tokens, 3)


def test_a_stop_token_ends_an_answer_and_is_not_shown(harness, prompt):
    run = harness()
    text = prompt(15)
    expected = run.reference(text, 20)
    stop = expected[6]
    request = Generate(text, max_new_tokens=20, stop_tokens=frozenset({stop}))
    run.run(request)
    assert run.tokens(request) == expected[: expected.index(stop)]
    assert run.done(request).reason == "stop"


def test_a_cancelled_answer_ends_before_the_next_step(harness, prompt):
    run = harness()
    request = Generate(prompt(10), max_new_tokens=50)
    run.engine.submit(request)
    run.step()
    run.engine.finish(request, "cancelled")
    before = len(run.tokens(request))
    run.run()
    assert run.done(request).reason == "cancelled"
    assert len(run.tokens(request)) == before


def test_a_waiting_request_can_be_cancelled_too(harness, prompt):
    run = harness(running=1)
    first, second = (Generate(prompt(10), max_new_tokens=5) for _ in range(2))
    run.engine.submit(first)
    run.engine.submit(second)
    run.step()
    run.engine.finish(second, "cancelled")
    run.run()
    assert run.done(second).reason == "cancelled"
    assert run.done(first).reason == "length"


def test_what_can_never_fit_is_refused_with_the_numbers(harness, prompt):
    run = harness()
    request = Generate(prompt(500), max_new_tokens=50)
    run.run(request)
    assert run.done(request).reason == "too_long"
    assert "512" in run.done(request).detail


def test_who_does_not_fit_into_memory_now_waits_and_is_answered(harness, prompt):
    # Room for two slots of 64 tokens and a little more.
    run = harness(memory=2 * 64 * 3 * 2 * 2 * 16 * 4 + 1000)
    requests = [Generate(prompt(20), max_new_tokens=10, conversation=str(i)) for i in range(5)]
    run.run(*requests)
    for request in requests:
        assert run.tokens(request) == run.reference(request.tokens, 10)


def test_everything_ends_once_when_the_engine_is_emptied(harness, prompt):
    run = harness(running=1)
    requests = [Generate(prompt(10), max_new_tokens=50) for _ in range(3)]
    verdict = Score(prompt(10), candidates=[(1,), (2,)])
    for request in (*requests, verdict):
        run.engine.submit(request)
    run.events += run.engine.step()
    run.engine.finish_all("cancelled", "closing")
    run.events += run.engine.take_events()
    for request in requests:
        assert run.done(request).reason == "cancelled"
    assert not run.engine.busy
    assert run.engine.pool.usage().used == 0


def test_what_is_forgotten_is_not_reused(harness, prompt):
    run = harness()
    first = Generate(prompt(40), max_new_tokens=5, conversation="a")
    run.run(first)
    run.engine.forget("a")
    again = Generate(first.tokens, max_new_tokens=5, conversation="a")
    run.engine.submit(again)
    run.step()
    run.engine.forget("a")
    run.run()
    assert run.done(again).counts.cached == 0
    assert run.engine.pool.usage().kept == 0


@pytest.mark.parametrize("weights", ["fp32", "torch", "native"])
def test_a_row_is_the_same_alone_and_in_any_company(harness, prompt, weights):
    text = prompt(25)
    drawn = SamplingParameters(temperature=0.9, top_p=0.9, top_k=40, seed=5)
    alone = harness("qwen2.5", weights)
    request = Generate(text, max_new_tokens=16, sampling=drawn)
    alone.run(request)
    expected = alone.tokens(request)
    for company in (1, 3, 8, 15):
        run = harness("qwen2.5", weights, running=16)
        request = Generate(text, max_new_tokens=16, sampling=drawn)
        others = [Generate(prompt(5 + i), max_new_tokens=20) for i in range(company)]
        run.run(*others[: company // 2], request, *others[company // 2 :])
        assert run.tokens(request) == expected


def test_every_request_starts_once_it_leaves_the_queue(harness, prompt):
    run = harness(running=1)
    requests = [Generate(prompt(5), max_new_tokens=2) for _ in range(3)]
    run.run(*requests)
    started = [event.request for event in run.events if isinstance(event, Started)]
    assert started == requests


def test_probabilities_of_labels_are_comparable(harness, prompt):
    run = harness()
    request = Score(prompt(10), candidates=[(token,) for token in range(320)])
    run.run(request)
    total = sum(math.exp(score - max(run.scores(request))) for score in run.scores(request))
    with torch.inference_mode():
        expected = run.network(torch.tensor([request.tokens])).logits[0, -1].softmax(-1).max().item()
    assert 1 / total == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("weights", ["fp32", "torch", "native"])
def test_a_reading_sees_the_middle_layers_states(harness, prompt, weights):
    run = harness("qwen2.5", weights)
    text = prompt(60)
    readings = [Read(text, prefix=10, layers=2, text=range(10, 55)) for _ in range(2)]
    run.run(readings[0], Generate(prompt(12), max_new_tokens=5), Score(prompt(9), candidates=[(1,), (2, 3)]))
    run.run(readings[1])
    with torch.inference_mode():
        states = run.network(torch.tensor([text]), output_hidden_states=True).hidden_states[2][0]
    states = states / states.square().mean(1, keepdim=True).sqrt()
    for reading in readings:
        [seen] = [event for event in run.events if isinstance(event, Seen) and event.request is reading]
        for found, expected in ((seen.last, states[-1]), (seen.mean, states[10:55].mean(0))):
            assert (found - expected).abs().max() < (1e-4 if weights == "fp32" else 0.2)
    # The second one computed only what may differ from text to text.
    assert [run.done(reading).counts.cached for reading in readings] == [0, 10]


def test_what_a_reading_left_half_computed_serves_nobody_else(harness, prompt):
    run = harness()
    text = prompt(40)
    run.run(Read(text, prefix=20, layers=1, text=range(20, 40)))
    request = Generate(text, max_new_tokens=8)
    run.run(request)
    assert run.done(request).counts.cached == 0
    assert run.tokens(request) == run.reference(text, 8)


def test_a_long_prompt_gets_on_under_readings_that_never_end(harness, prompt):
    run = harness()
    request = Generate(prompt(60), max_new_tokens=1)
    steps = 0
    run.engine.submit(request)
    while not run.tokens(request):
        run.engine.submit(Read(prompt(20), layers=1, text=range(5, 15)))
        run.step()
        steps += 1
    # Two times four rows in every second step.
    assert steps == 16
    run.run()


def test_what_a_reading_computed_serves_the_next_and_what_an_answer_computed_does_not(harness, prompt):
    run = harness()
    text = prompt(40)
    run.run(Generate(text, conversation="a", max_new_tokens=2))
    readings = [Read(text, prefix=20, layers=1, text=range(20, 40)) for _ in range(2)]
    run.run(readings[0])
    run.run(readings[1])
    assert [run.done(reading).counts.cached for reading in readings] == [0, 20]


def test_readings_leave_answers_beside_them_alone(harness, prompt):
    run = harness()
    request = Generate(prompt(30), max_new_tokens=20)
    run.engine.submit(request)
    for _ in range(6):
        run.engine.submit(Read(prompt(25), layers=1, text=range(5, 20)))
        run.step()
    run.run()
    assert run.tokens(request) == run.reference(request.tokens, 20)


class Doubled(Decoder):
    """Another decoder of the same model: it keeps keys and values in another type, and rounds nothing."""

    @property
    def kv_shape(self):
        return self.architecture.kv_shape(torch.float64)


def test_everything_goes_on_when_the_decoder_changes(harness, prompt):
    run = harness(running=2)
    kept = Generate(prompt(40), max_new_tokens=5, conversation="a")
    run.run(kept)
    streams = [Generate(prompt(length), max_new_tokens=20, conversation="b") for length in (9, 70, 12)]
    verdict = Score(prompt(60), candidates=[(5,), (6, 7)])
    for request in (*streams, verdict):
        run.engine.submit(request)
    run.step()
    run.step()
    other = harness(running=2)
    old = other.engine.decoder
    decoder = Doubled(old.architecture, old.weights, 512)
    pool = Pool(decoder.kv_shape, 64 << 20)
    run.engine.go_on_like(Engine(decoder, pool, running=2, context=512, budget=run.engine.budget))
    assert run.engine.pool.usage().used > 0
    run.run()
    for request in streams:
        assert run.tokens(request) == run.reference(request.tokens, 20)
    assert len(run.scores(verdict)) == 2
    said = [*kept.tokens, *run.tokens(kept)]
    second = Generate([*said, *prompt(7)], max_new_tokens=10, conversation="a")
    run.run(second)
    assert run.done(second).counts.cached == len(said) - 1
    assert run.tokens(second) == run.reference(second.tokens, 10)


def test_a_verdict_is_told_before_the_others_have_gone_on(harness, prompt):
    run = harness()
    reading, answer = Read(prompt(15), layers=1, text=range(5, 15)), Generate(prompt(8), max_new_tokens=1)
    run.engine.submit(reading)
    run.engine.submit(answer)
    early = []
    late = run.engine.step(early.extend)
    assert [type(event) for event in early if event.request is reading] == [Started, Seen, Done]
    assert [type(event) for event in late if event.request is reading] == []
    assert not any(isinstance(event, Tokens) for event in early)
