"""What the engine takes of this machine with the real model, as `bench` counts it: children included."""

from pathlib import Path

from bot.bench.day import Day, Sizes
from bot.bench.figures import memory
from bot.bench.processes import EngineProcess, own
from bot.bench.setup import options, prompts
from bot.config import Config, ModelSettings

MOST_BYTES = 1_200_000_000


async def test_eight_long_conversations_fit_into_little_memory(real_model_folder: Path) -> None:
    config = Config(model=ModelSettings(name=str(real_model_folder), dir=real_model_folder.parent))
    day = Day(*prompts(config, real_model_folder), Sizes(decode=1, verdicts=1, conversations=8))
    assert sum(len(ask.tokens) for ask in day.conversations) > 8000
    async with EngineProcess.started(own("local", options(config, real_model_folder))) as engine:
        await memory(engine, day)
        assert 0 < engine.peak_bytes < MOST_BYTES
