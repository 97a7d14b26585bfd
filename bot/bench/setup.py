"""From the bot's configuration to what a run needs: its prompts, its sampling, its own two engines."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from bot.app import local_settings
from bot.bench.day import USERS, Composer
from bot.bench.engines import PATHS
from bot.bench.prompts import Fresh
from bot.config import Config
from bot.dispatch import sampling
from bot.model.tokens import PromptEncoder


def prompts(config: Config, folder: Path) -> tuple[Composer, Fresh]:
    """What is asked, in the tokens of the model in `folder`."""
    encoder = PromptEncoder(folder)
    compose = Composer(encoder, config.chat.system_prompt, config.sentiment.prompt)
    return compose, Fresh(encoder.encode_text, encoder.decode)


def options(config: Config, folder: Path) -> dict[str, Any]:
    """For the engines' processes, in JSON's types. There is room for as many answers as the run asks for."""
    settings = asdict(local_settings(config.model))
    running = max(settings["running"], *USERS)
    return {
        "folder": str(folder),
        "labels": [config.sentiment.positive, config.sentiment.negative],
        "sampling": asdict(sampling(config)),
        "local": {**settings, **{name: str(settings[name]) for name in PATHS}, "running": running},
    }
