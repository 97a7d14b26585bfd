"""What the draft brings here, with and without it in turns: `PYTHONPATH=. python tools/guessing.py` (a minute).

The default model answers the benchmark's questions, none of which the draft was fitted on, in the bot's own sampling.
"""

import time
from dataclasses import replace

from bot.bench.setup import prompts
from bot.config import Config, cache_home
from bot.dispatch import sampling
from bot.engine.loop import Engine
from bot.engine.requests import Generate, Tokens
from bot.engine.sampling import SamplingParameters
from bot.model.catalogue import DEFAULT
from bot.model.parts import LocalSettings, load_parts, make_engine
from bot.model.weights import ensure

USERS = (1, 1, 1, 2, 3, 4, 8)
NEW_TOKENS, TURNS = 96, 2


def main() -> None:
    """Both, in turns; the questions of a line are the same."""
    folder = ensure(DEFAULT.name, cache_home() / "models").folder
    settings = LocalSettings(running=max(USERS), library_cache=folder.parent / "native")
    parts = load_parts(folder, settings)
    compose, fresh = prompts(Config(), folder)
    drawn = sampling(Config())
    parameters = SamplingParameters(
        drawn.temperature, drawn.top_p, drawn.top_k, drawn.repetition_penalty, seed=7
    )
    for users in USERS:
        asked = [compose.answer([("user", fresh.question())], NEW_TOKENS).tokens for _ in range(users)]
        for _ in range(TURNS):
            for name, one in (("without", replace(parts, draft=None)), ("with", parts)):
                requests = [
                    Generate(tokens, sampling=parameters, max_new_tokens=NEW_TOKENS) for tokens in asked
                ]
                rate, share = measure(make_engine(one), requests)
                print(f"{users} at once, {name:7} draft: {rate:5.1f} tokens/s, {share:.2f} a step")


def measure(engine: Engine, requests: list[Generate]) -> tuple[float, float]:
    """Tokens per second while all are being written, and tokens of each in a step."""
    for request in requests:
        engine.submit(request)
    tokens = steps = 0
    seconds = 0.0
    while engine.busy:
        began = time.perf_counter()
        pieces = [event.tokens for event in engine.step() if isinstance(event, Tokens)]
        if len(pieces) == len(requests):
            tokens, steps = tokens + sum(map(len, pieces)), steps + 1
            seconds += time.perf_counter() - began
    return tokens / seconds, tokens / steps / len(requests)


if __name__ == "__main__":
    main()
