"""What a LocalModel is made of: a model folder, loaded for the fastest forward pass that there is.

Where a compiler may bring a faster one, that happens behind a model that works already.
"""

import logging
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import torch

from bot.engine import checkpoint
from bot.engine.backend import Backend, Place, Wanted, open_at_once, open_backend, open_compiled
from bot.engine.calibration import kept_or, measure
from bot.engine.draft import Draft, DraftWeights
from bot.engine.guess import Guessing
from bot.engine.kv import Pool
from bot.engine.loop import Engine
from bot.engine.native import library
from bot.engine.native.compilation import Compilation, NotCompiled
from bot.engine.scheduler import Budget, Costs
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
    """A model folder, loaded: what makes an engine, what makes token ids, and what was fitted to the model."""

    settings: LocalSettings
    place: Place
    backend: Backend
    costs: Costs
    encoder: PromptEncoder
    probes: Sequence[Probe] = ()
    draft: Draft | None = None


def load_parts(folder: Path, settings: LocalSettings, *, patient: bool = True) -> Parts:
    """Read a folder and pack its weights; seconds. Run it in the thread that will use them.

    Who is not `patient` gets a slower backend at once where a faster one must be compiled first.
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
    parts = Parts(settings, place, backend, _costs(backend, place, settings), encoder.result(), fitted, draft)
    give_back()
    return parts


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
    """The same model, computed with another backend, which is measured: nothing else should run now."""
    draft = _draft(parts.draft.weights, parts.place, backend) if parts.draft else None
    return replace(parts, backend=backend, costs=_costs(backend, parts.place, parts.settings), draft=draft)


def _draft(weights: DraftWeights, place: Place, backend: Backend) -> Draft:
    """Its rows of the head come from files that are closed again: what is mapped counts as memory once it was read."""
    with checkpoint.opened(place.folder, None) as source:
        rows = source.output_embedding()[weights.guessable].float()
    return Draft.pack(weights, rows, backend.forward)


def _costs(backend: Backend, place: Place, settings: LocalSettings) -> Costs:
    """Measured in the engine's thread, as it will compute: the library's threads want the cores for themselves."""
    torch.set_num_threads(1 if backend.name == "native" else settings.cores)
    measured = partial(measure, backend.forward, settings.context)
    if place.library_cache is None:
        return measured()
    file = place.library_cache / f"costs-{_circumstances(backend, place, settings)}.json"
    return kept_or(measured, file, cores=settings.cores)


def _circumstances(backend: Backend, place: Place, settings: LocalSettings) -> str:
    """Changes with what changes the costs most: model, code, CPU, threads, room."""
    config = (place.folder / "config.json").read_text(encoding="utf-8")
    code = [library.fingerprint(), torch.__version__, backend.name]
    parts = [config, *code, str(settings.cores), str(settings.context)]
    return sha256("\0".join(parts).encode()).hexdigest()[:16]


def make_engine(parts: Parts) -> Engine:
    """An empty engine."""
    forward, settings = parts.backend.forward, parts.settings
    return Engine(
        forward,
        Pool(forward.kv_shape, settings.memory_bytes),
        running=settings.running,
        context=settings.context,
        budget=Budget.for_costs(parts.costs),
        guessing=Guessing.for_costs(parts.costs),
        draft=parts.draft,
    )


def _cores() -> int:
    """Those that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
