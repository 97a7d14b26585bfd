"""Who gets how many rows of the next pass."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.engine.scheduler import FEW, Budget, Costs, Pending, schedule

BUDGET = Budget(idle=100, streaming=20, scoring=5, verdicts=150)


def fresh(*tokens):
    return [Pending(count, 0) for count in tokens]


def test_streams_get_their_token_and_a_verdict_its_whole_prompt():
    assert schedule(fresh(1, 1, 400), [30], BUDGET) == ([1, 1, 0], [30])


def test_prompts_wait_for_verdicts_no_longer_than_a_step():
    assert schedule(fresh(1, 1, 400), [30], BUDGET, waited=True) == ([1, 1, 10], [30])


def test_beside_streams_a_prompt_gets_little_and_alone_much():
    assert schedule(fresh(1, 400), [], BUDGET) == ([1, 20], [])
    assert schedule(fresh(400), [], BUDGET) == ([100], [])


def test_prompts_are_read_in_the_order_in_which_they_came():
    assert schedule(fresh(60, 60, 60), [], BUDGET) == ([60, 40, 0], [])


def test_a_very_long_verdict_is_read_in_pieces_and_stops_nobody():
    assert schedule(fresh(1), [500, 10], BUDGET) == ([1], [149, 0])


def test_rows_that_look_back_on_much_are_fewer_so_that_every_step_takes_as_long():
    budget = replace(BUDGET, past=1 / 1000)
    assert [schedule([Pending(1, 0), Pending(400, past)], [], budget)[0][1] for past in (0, 1000, 3000)] == [
        20,
        10,
        5,
    ]
    # What the first prompt leaves is counted in the same rows.
    assert schedule([Pending(5, 1000), Pending(400, 0)], [], budget)[0] == [5, 90]


PENDING = st.builds(Pending, st.integers(1, 500), st.integers(0, 10_000))


@given(
    st.lists(PENDING, max_size=8),
    st.lists(st.integers(1, 500), max_size=8),
    st.floats(0, 0.01),
    st.booleans(),
)
def test_no_stream_ever_waits_and_something_always_goes_on(streams, verdicts, past, waited):
    stream_counts, verdict_counts = schedule(streams, verdicts, replace(BUDGET, past=past), waited=waited)
    assert all(
        count == 1 for count, pending in zip(stream_counts, streams, strict=True) if pending.tokens == 1
    )
    assert all(0 <= count <= pending.tokens for count, pending in zip(stream_counts, streams, strict=True))
    assert all(0 <= count <= pending for count, pending in zip(verdict_counts, verdicts, strict=True))
    assert not (streams or verdicts) or sum(stream_counts) + sum(verdict_counts) > 0


def test_what_looking_back_costs_here_is_counted_in_rows():
    assert Budget.for_costs(Costs(0.01, 0.001, 0.000001)).past == 0.001


def test_budgets_follow_what_a_row_costs_here():
    fast, slow = Budget.for_costs(Costs(0.008, 0.00025)), Budget.for_costs(Costs(0.03, 0.004))
    assert fast.idle > slow.idle >= 16
    assert fast.idle % FEW == slow.idle % FEW == 0
    # While somebody reads an answer, a step takes at most about twice as long as usual.
    for budget, costs in ((fast, Costs(0.008, 0.00025)), (slow, Costs(0.03, 0.004))):
        assert costs.step_s + budget.streaming * costs.row_s <= 2.3 * costs.step_s
        assert budget.scoring <= budget.streaming <= budget.idle
