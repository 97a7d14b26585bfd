"""What a LocalModel is made of: a model folder, loaded for the fastest forward pass that there is.

Where a compiler may bring a faster one, that happens behind a model that works already.
"""

import logging
import os
import tempfile
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import torch

from bot.engine import checkpoint
from bot.engine.backend import Backend, Place, Wanted, open_at_once, open_backend, open_compiled
from bot.engine.calibration import keep_costs, kept_costs, measure
from bot.engine.draft import Draft, DraftWeights
from bot.engine.guess import Guessing
from bot.engine.kv import Pool
from bot.engine.loop import Engine
from bot.engine.native import library
from bot.engine.native.compilation import Compilation, NotCompiled
from bot.engine.scheduler import ASSUMED, Budget, Costs
from bot.model import drafts, manifest, probes
from bot.model.memory import give_back
from bot.model.probes import Probe
from bot.model.tokens import PromptEncoder

LOWEST_PRIORITY = 19
"""Nobody's answer waits for the compiler."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What LocalModel may use. `memory_bytes` caps keys and values; `threads` 0 means one per core;
    `fitted` and `drafts` are the folders of what is fitted to models. `library_cache` is for what is compiled and
    measured; without it nothing is compiled.
    """

    weights: Wanted = "auto"
    threads: int = 0
    context: int = 4096
    running: int = 8
    waiting: int = 64
    memory_bytes: int = 512 << 20
    fitted: Path = probes.FOLDER
    drafts: Path = drafts.FOLDER
    library_cache: Path | None = field(default_factory=lambda: Path(tempfile.gettempdir()) / "tandem")

    @property
    def cores(self) -> int:
        """Threads to compute with."""
        return self.threads or _cores()


@dataclass(frozen=True, slots=True)
class Parts:
    """A model folder, loaded: what makes an engine, what makes token ids, and what was fitted to the model.

    `costs` are None until they are measured: see `calibrate`.
    """

    settings: LocalSettings
    place: Place
    backend: Backend
    costs: Costs | None
    encoder: PromptEncoder
    probes: Sequence[Probe] = ()
    draft: Draft | None = None


def load_parts(folder: Path, settings: LocalSettings, *, patient: bool = True) -> Parts:
    """Read a folder and pack its weights; seconds. Run it in the thread that will use them.

    Who is not `patient` gets a slower backend at once where a faster one must be compiled first, and costs only where
    they are kept.
    """
    torch.set_num_threads(settings.cores)
    place = Place(folder, folder / "int8", settings.library_cache)
    open_one = open_backend if patient else open_at_once
    with ThreadPoolExecutor(1) as beside:
        encoder = beside.submit(PromptEncoder, folder)
        backend = open_one(place, settings.weights, context=settings.context, threads=settings.cores)
    log.info("the model runs on %d threads with %s (%s)", settings.cores, backend.name, backend.reason)
    about = manifest.read(folder)
    fitted = list(probes.load(about.checksum, settings.fitted)) if about else []
    guessing = drafts.load(about.checksum, settings.drafts) if about else None
    draft = _draft(guessing, place, backend) if guessing else None
    parts = _at_home(Parts(settings, place, backend, None, encoder.result(), fitted, draft))
    give_back()
    return replace(parts, costs=_all_of(calibrate(parts))) if patient and parts.costs is None else parts


def compilation_for(parts: Parts) -> Compilation | None:
    """Start to compile what is faster than the backend, where there is such a thing."""
    if not parts.backend.improvable or parts.settings.library_cache is None:
        return None
    log.info("the engine is being compiled for this CPU; until then the model works, more slowly")
    try:
        return library.compilation(parts.settings.library_cache, niceness=LOWEST_PRIORITY)
    except NotCompiled as error:
        log.warning("the model stays with %s (native: %s)", parts.backend.name, error)
        return None


def compiled(parts: Parts, compilation: Compilation) -> Backend:
    """Wait for the compiler and load the weights once more. Any thread may. Raises BackendUnusable."""
    settings = parts.settings
    return open_compiled(compilation, parts.place, context=settings.context, threads=settings.cores)


def with_backend(parts: Parts, backend: Backend) -> Parts:
    """The same model, computed with another backend. Run it in the thread that will compute."""
    draft = _draft(parts.draft.weights, parts.place, backend) if parts.draft else None
    return _at_home(replace(parts, backend=backend, draft=draft))


def calibrate(parts: Parts) -> Generator[None, None, Costs]:
    """Measure what steps cost, one at each turn, and keep it. Run it in the thread that computes, in a quiet moment."""
    settings = parts.settings
    measured = yield from measure(parts.backend.forward, settings.context, settings.cores)
    if file := _costs_file(parts):
        keep_costs(measured, file, time.time())
    return measured.costs


def _draft(weights: DraftWeights, place: Place, backend: Backend) -> Draft:
    """Its rows of the head come from files that are closed again: what is mapped counts as memory once it was read."""
    with checkpoint.opened(place.folder, None) as source:
        rows = source.output_embedding()[weights.guessable].float()
    return Draft.pack(weights, rows, backend.forward)


def _at_home(parts: Parts) -> Parts:
    """In the thread that computes: with as many of torch's threads as its backend wants, and the costs kept of it."""
    # The library's threads want the cores for themselves.
    torch.set_num_threads(1 if parts.backend.name == "native" else parts.settings.cores)
    file = _costs_file(parts)
    return replace(parts, costs=kept_costs(file, time.time()) if file else None)


def _all_of(steps: Generator[None, None, Costs]) -> Costs:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            costs: Costs = end.value
            return costs


def _costs_file(parts: Parts) -> Path | None:
    """Named by what changes the costs most: model, code, CPU, threads, room. None where nothing may be kept."""
    place, settings = parts.place, parts.settings
    if place.library_cache is None:
        return None
    config = (place.folder / "config.json").read_text(encoding="utf-8")
    code = [library.fingerprint(), torch.__version__, parts.backend.name]
    circumstances = "\0".join([config, *code, str(settings.cores), str(settings.context)])
    return place.library_cache / f"costs-{sha256(circumstances.encode()).hexdigest()[:16]}.json"


def make_engine(parts: Parts) -> Engine:
    """An empty engine."""
    forward, settings, costs = parts.backend.forward, parts.settings, parts.costs or ASSUMED
    return Engine(
        forward,
        Pool(forward.kv_shape, settings.memory_bytes),
        running=settings.running,
        context=settings.context,
        budget=Budget.for_costs(costs),
        guessing=Guessing.for_costs(costs),
        draft=parts.draft,
    )


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
