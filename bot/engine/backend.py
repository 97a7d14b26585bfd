"""Picks the fastest forward pass that computes right numbers on this machine, and opens a model with it."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bot.engine import checkpoint, linear
from bot.engine.decoder import Decoder, Forward
from bot.engine.linear import FORMATS, FormatName
from bot.engine.native import library, selftest
from bot.engine.native.compilation import Compilation, NotCompiled
from bot.engine.native.decoder import NativeDecoder, supports

BackendName = Literal["native", "int8", "int8-bf16", "bf16", "fp32"]
Wanted = BackendName | Literal["auto"]

AUTOMATIC: tuple[FormatName, ...] = ("int8", "int8-bf16")
"""What is tried after the native library, fastest first; fp32 is the last resort."""

log = logging.getLogger(__name__)


class BackendUnusable(Exception):
    """The backend that the configuration asks for does not work here."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A forward pass over a model, ready to run; `reason` says why this one, for the log.

    An `improvable` one computes until a faster one is compiled: see `open_compiled`.
    """

    name: BackendName
    reason: str
    forward: Forward
    improvable: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model is, and where what is made from it may be kept; without `library_cache` nothing is compiled."""

    folder: Path
    quantized: Path
    library_cache: Path | None


def open_backend(place: Place, wanted: Wanted, *, context: int, threads: int) -> Backend:
    """Load a model for the fastest backend that is right, or for the wanted one; may wait for a compiler.

    Raises BackendUnusable when the wanted one is not, and UnsupportedModel.
    """
    refused = []
    if wanted in ("auto", "native"):
        try:
            return _open_native(place, context, threads)
        except BackendUnusable as error:
            refused.append(str(error))
    return _open_torch(place, wanted, context, refused)


def open_at_once(place: Place, wanted: Wanted, *, context: int, threads: int) -> Backend:
    """Like `open_backend`, but nobody waits for a compiler unless the configuration insists."""
    if wanted == "auto" and place.library_cache is not None and library.can_be_compiled(place.library_cache):
        return replace(_open_torch(place, wanted, context, ["native is not compiled yet"]), improvable=True)
    return open_backend(place, wanted, context=context, threads=threads)


def open_compiled(compilation: Compilation, place: Place, *, context: int, threads: int) -> Backend:
    """The backend that becomes possible when `compilation` ends. Raises BackendUnusable."""
    try:
        compilation.wait()
    except NotCompiled as error:
        raise BackendUnusable(f"native: {error}") from None
    return _open_native(place, context, threads)


def _open_torch(place: Place, wanted: Wanted, context: int, refused: list[str]) -> Backend:
    names = AUTOMATIC if wanted == "auto" else [name for name in FORMATS if name == wanted]
    for name in names:
        if (off := linear.self_test(FORMATS[name])) <= linear.TOLERANCE:
            return _open_format(place, name, context, refused)
        refused.append(f"{name}: {off:.0%} off in its self-test on this CPU")
    if wanted != "auto":
        raise BackendUnusable(
            f"model.weights = {wanted!r} cannot be used: {'; '.join(refused)}. Set it to 'auto'."
        )
    return _open_format(place, "fp32", context, refused)


def _open_format(place: Place, name: FormatName, context: int, refused: list[str]) -> Backend:
    architecture, weights = checkpoint.load(place.folder, name, place.quantized)
    return Backend(name, "; ".join(refused) or "as configured", Decoder(architecture, weights, context))


def _open_native(place: Place, context: int, threads: int) -> Backend:
    try:
        if place.library_cache is None:
            raise NotCompiled("nothing may be compiled")
        compiled = library.load(place.library_cache)
    except NotCompiled as error:
        raise BackendUnusable(f"native: {error}") from None
    if (off := selftest.error(compiled, threads)) > selftest.TOLERANCE:
        raise BackendUnusable(f"native: {off:.0%} off in its self-test on this CPU")
    with checkpoint.opened(place.folder, place.quantized) as source:
        if reason := supports(source.architecture, compiled):
            raise BackendUnusable(f"native: {reason}")
        forward = NativeDecoder(compiled, source, context=context, threads=threads)
    return Backend("native", f"compiled for {compiled.tandem_isa().decode()}", forward)
