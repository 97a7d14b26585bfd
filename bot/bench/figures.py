"""The figures: each function says what is asked for one of them, and what is taken from the times."""

from collections.abc import Awaitable, Callable, Sequence

from bot.bench.day import Day
from bot.bench.processes import EngineProcess
from bot.bench.scenario import Scenario, Timing

Samples = dict[str, list[float]]
"""Measured values by the name of a metric."""

Figure = Callable[[EngineProcess, Day], Awaitable[Samples]]


async def sentiment(engine: EngineProcess, day: Day) -> Samples:
    """Of a message whose answer was asked for at the same time, with a long past that nobody has computed."""
    alone = await engine.play(Scenario([[day.alone]]))
    both = await engine.play(Scenario([[day.message, day.message_chat]]))
    return {
        "sentiment_alone_ms": [1000 * alone.steps[0][0].total_s],
        "sentiment_ms": [1000 * both.steps[0][0].total_s],
    }


async def warm(engine: EngineProcess, day: Day) -> Samples:
    """A fresh message when the constant parts of all prompts were computed for somebody else before."""
    outcome = await engine.play(Scenario([day.warming, day.warm]))
    verdict, answer = outcome.steps[1]
    return {"warm_sentiment_ms": [1000 * verdict.total_s], "warm_first_token_ms": [1000 * answer.first_s]}


async def reply(engine: EngineProcess, day: Day) -> Samples:
    """One user, one whole answer."""
    [[timing]] = (await engine.play(Scenario([[day.reply]]))).steps
    return {
        "first_token_ms": [1000 * timing.first_s],
        "reply_s": [timing.total_s],
        "decode_1": [decode_rate([timing])],
    }


async def continued(engine: EngineProcess, day: Day) -> Samples:
    """The tenth turn of a conversation whose ninth was answered just now."""
    ninth = await engine.play(Scenario([[day.ninth_turn]]))
    tenth = await engine.go_on(Scenario([[day.tenth_turn(ninth.steps[0][0].text)]]))
    return {"continued_first_token_ms": [1000 * tenth.steps[0][0].first_s]}


async def decode(engine: EngineProcess, day: Day) -> Samples:
    """Several users at once. One that answers one after another gives each the same speed in turn."""
    samples = {}
    for count, asks in day.users.items():
        if count <= engine.parallel:
            [timings] = (await engine.play(Scenario([asks]))).steps
            samples[f"decode_{count}"] = [decode_rate(timings)]
    return samples


async def prefill(engine: EngineProcess, day: Day) -> Samples:
    """Tokens of a long prompt by the time to the first token behind it."""
    [[timing]] = (await engine.play(Scenario([[day.prefill]]))).steps
    return {"prefill_tok_s": [len(day.prefill.tokens) / timing.first_s]}


async def under_load(engine: EngineProcess, day: Day) -> Samples:
    """Verdicts, one at a time, while eight answers are being written."""
    if engine.parallel < len(day.load):
        return {}
    steps = [[verdict] for verdict in day.verdicts]
    outcome = await engine.play(Scenario(steps, day.pauses, day.load))
    begin = max(timing.pieces[3][0] for timing in outcome.background)
    end = outcome.steps[-1][0].ended
    return {
        "sentiment_under_load_ms": [1000 * timing.total_s for [timing] in outcome.steps],
        "load_step_ms": [1000 * gap for timing in outcome.background for gap in timing.gaps(begin, end)],
    }


async def reading(engine: EngineProcess, day: Day) -> Samples:
    """Do four running answers falter while somebody's long prompt is read?"""
    if engine.parallel <= len(day.readers):
        return {}
    scenario = Scenario([[day.reading]], (1.0,), day.readers)
    outcome = await engine.play(scenario)
    [[long]] = outcome.steps
    begin = max(timing.pieces[3][0] for timing in outcome.background)

    def gaps(since: float, until: float) -> list[float]:
        return [1000 * gap for timing in outcome.background for gap in timing.gaps(since, until)]

    return {
        "inter_token_usual_ms": gaps(begin, long.submitted),
        "inter_token_reading_ms": gaps(long.submitted, long.pieces[0][0]),
    }


async def memory(engine: EngineProcess, day: Day) -> Samples:
    """Eight conversations, each with a long past, one behind the other; the process's memory is watched anyway."""
    if engine.parallel > 1 and day.conversations:
        await engine.play(Scenario([[ask] for ask in day.conversations]))
    return {}


LEAST_SHARE = 0.2
"""Of the whole time, that all answers have to run together: in a moment too few tokens come to be counted."""

FIGURES: Sequence[Figure] = (sentiment, warm, reply, continued, decode, prefill, under_load, reading, memory)


def decode_rate(timings: Sequence[Timing]) -> float:
    """Tokens per second of all together, from when the last one's first token is out until the first one ends.

    For answers that hardly run at the same time: from the very first token to the very last.
    """
    first, last = [timing.pieces[0][0] for timing in timings], [timing.pieces[-1][0] for timing in timings]
    begin, end = max(first), min(last)
    if end - begin < LEAST_SHARE * (max(last) - min(first)):
        begin, end = min(first), max(last)
    return sum(timing.tokens_between(begin, end) for timing in timings) / max(end - begin, 1e-9)
