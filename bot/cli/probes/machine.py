"""Probes of the machine: which forward pass its CPU gets, and whether its memory is enough."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bot.cli.probes.finding import Finding, fault

if TYPE_CHECKING:
    from bot.config import Config, ModelSettings

WEIGHTS_FACTOR = {"native": 0.5, "int8": 0.5, "int8-bf16": 0.5, "bf16": 2.0, "fp32": 3.0}
"""Memory of a loaded model in times its files, which hold two bytes a weight. "auto" ends at an int8 format."""
PROGRAM_BYTES = 300 << 20


def cpu(settings: "Config") -> Iterator[Finding]:
    """The path that the engine would take, and why; as bot.engine.backend chooses it."""
    if settings.model.engine == "reference":
        yield Finding("CPU", "plain transformers, as model.engine says")
        return
    from bot.engine.native import library
    from bot.engine.native.compilation import NotCompiled, find_compiler

    wanted, cache, hint = settings.model.weights, settings.model.dir / "native", ""
    if wanted in ("auto", "native"):
        if library.can_be_compiled(cache):
            yield _not_yet_compiled(settings.model, find_compiler())
            return
        try:
            yield _native(cache)
            return
        except NotCompiled as error:
            if wanted == "native":
                yield fault(
                    "CPU", f"model.weights is 'native', but {error}", 'install g++, or set it to "auto"'
                )
                return
            hint = f"{error}: install g++ for answers several times faster"
    yield _torch(settings.model, hint)


def _not_yet_compiled(settings: "ModelSettings", compiler: str | None) -> Finding:
    """Ready at once where it may choose; who insists on the compiled engine waits for it."""
    if settings.weights == "native":
        return Finding(
            "CPU", f"the first start waits until {compiler} has compiled the engine for this CPU, once"
        )
    meanwhile = _torch(settings, "").told
    return Finding(
        "CPU",
        f"the first start compiles the engine for this CPU, once, with {compiler}; until then {meanwhile}",
    )


def _native(cache: Path) -> Finding:
    """The compiled engine. Raises NotCompiled."""
    from bot.engine.native import library, selftest  # late: it brings torch
    from bot.engine.native.compilation import NotCompiled

    compiled = library.load(cache)
    off = selftest.error(compiled, 1)
    if off > selftest.TOLERANCE:
        raise NotCompiled(f"the compiled engine is {off:.0%} off in its self-test")
    return Finding(
        "CPU", f"engine compiled for this CPU ({compiled.tandem_isa().decode()}), self-test passed"
    )


def _torch(settings: "ModelSettings", hint: str) -> Finding:
    """The first format in question that computes right here."""
    from bot.engine.backend import AUTOMATIC
    from bot.engine.linear import FORMATS, TOLERANCE, self_test

    wanted = settings.weights
    names = [name for name in FORMATS if name == wanted] or [*AUTOMATIC, "fp32"]
    refused: list[str] = []
    for name in names:
        off = self_test(FORMATS[name])
        if off <= TOLERANCE:
            why = "".join(f"; {reason}" for reason in refused)
            return Finding("CPU", f"torch with {name} weights, self-test passed{why}", advice=hint)
        refused.append(f"{name} is {off:.0%} off")
    return fault("CPU", f"model.weights is {wanted!r}, but {refused[0]} on this CPU", 'set it to "auto"')


def memory(settings: "Config") -> Iterator[Finding]:
    """What is there, what is free, and what this model takes."""
    from bot.cli.probes.storage import files_of
    from bot.model.files import gigabytes
    from bot.observe.heartbeat import STALE_S, age_s

    total, available = memory_bytes()
    if total is None:
        yield Finding("memory", "this system does not tell how much there is")
        return
    needed = _needed(settings.model, files_of(settings.model))
    told = f"{gigabytes(available or total)} of {gigabytes(total)} free, about {gigabytes(needed)} needed"
    if (age_s(settings.heartbeat_file) or STALE_S) < STALE_S:
        yield Finding("memory", f"{told} by the bot that is running")
    elif needed > (available or total):
        yield fault(
            "memory", told, "end other programs, or choose a smaller model.name (`python -m bot model list`)"
        )
    else:
        yield Finding("memory", told)


def _needed(settings: "ModelSettings", files: int) -> int:
    factor = 2.0 if settings.engine == "reference" else WEIGHTS_FACTOR.get(settings.weights, 0.5)
    return int(files * factor) + (settings.memory_mb << 20) + PROGRAM_BYTES


def memory_bytes() -> tuple[int | None, int | None]:
    """Total and available; None where the system does not tell. A container's limit counts as total."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return _physical(), None
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    total, available = kilobytes["MemTotal"] << 10, kilobytes["MemAvailable"] << 10
    try:
        limit, used = (int(Path(f"/sys/fs/cgroup/memory.{name}").read_text()) for name in ("max", "current"))
    except (OSError, ValueError):  # no container, or one without a limit: "max"
        return total, available
    return min(total, limit), min(available, limit - used)


def _physical() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
