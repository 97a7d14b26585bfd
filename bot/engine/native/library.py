"""Compiles the C++ sources beside this file, once per CPU and version, and declares their functions to ctypes."""

import ctypes
import hashlib
import platform
from ctypes import POINTER, c_char_p, c_float, c_int32, c_size_t, c_void_p
from pathlib import Path

from bot.engine.native.compilation import Compilation, NotCompiled, find_compiler

FOLDER = Path(__file__).parent
SOURCES = ("decoder.cpp", "attention.h", "dot.h", "linear.h", "threads.h", "vector.h")
FLAGS = (
    *("-std=c++20", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math"),
    *("-shared", "-fPIC", "-pthread"),
)


class Shape(ctypes.Structure):
    """tandem::Shape"""

    _fields_ = (
        *(
            (name, c_int32)
            for name in ("layers", "hidden", "query_heads", "kv_heads", "head_dim", "intermediate")
        ),
        *((name, c_int32) for name in ("vocabulary", "threads")),
        ("epsilon", c_float),
    )


class Span(ctypes.Structure):
    """tandem::Span"""

    _fields_ = (
        *((name, c_int32) for name in ("first_row", "rows", "start", "context", "capacity")),
        ("kv", c_void_p),
    )


_FUNCTIONS = {
    "tandem_isa": (c_char_p, ()),
    "tandem_stored_bytes": (c_int32, ()),
    "tandem_tile": (c_int32, ()),
    "tandem_linear_bytes": (c_size_t, (c_int32, c_int32)),
    "tandem_new": (c_void_p, (POINTER(Shape), c_size_t)),
    "tandem_free": (None, (c_void_p,)),
    "tandem_set_linear": (
        c_int32,
        (c_void_p, c_int32, c_int32, c_void_p, c_void_p, c_void_p, c_int32, c_int32),
    ),
    "tandem_set_norm": (None, (c_void_p, c_int32, c_int32, c_void_p, c_int32)),
    "tandem_pass": (
        None,
        (
            *(c_void_p, c_int32, c_int32, c_void_p, c_int32, c_int32),
            *(c_void_p, c_void_p, POINTER(Span), c_int32, c_void_p, c_int32),
        ),
    ),
    "tandem_states": (None, (c_void_p, c_void_p, c_int32, c_void_p)),
    "tandem_hadamard": (None, (c_void_p, c_int32, c_int32, c_void_p, c_int32, c_int32)),
    "tandem_top": (
        None,
        (c_void_p, c_void_p, c_int32, c_void_p, c_int32, c_int32, c_void_p, c_void_p),
    ),
    "tandem_logits": (None, (c_void_p, c_void_p, c_int32, c_void_p)),
    "tandem_add_successor": (c_int32, (c_void_p,)),
    "tandem_set_successor": (
        c_int32,
        (c_void_p, c_int32, c_int32, c_void_p, c_void_p, c_void_p, c_int32, c_int32),
    ),
    "tandem_succeed": (None, (c_void_p, c_int32, c_void_p, c_void_p, c_int32, c_void_p, c_void_p)),
}


def load(cache: Path) -> ctypes.CDLL:
    """The library, compiled into `cache` if it is not there yet; seconds the first time. Raises NotCompiled."""
    path = file(cache)
    if not path.exists():
        compilation(cache).wait()
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise NotCompiled(f"{path} cannot be loaded: {error}") from None
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def file(cache: Path) -> Path:
    """Where the library for this CPU and this version is, or will be."""
    return cache / f"tandem-{fingerprint()}.so"


def can_be_compiled(cache: Path) -> bool:
    """Whether it is not in `cache` yet, and there is a compiler."""
    return not file(cache).exists() and find_compiler() is not None


def compilation(cache: Path, *, niceness: int = 0) -> Compilation:
    """Begin to compile the library into `cache`. Raises NotCompiled."""
    return Compilation(FOLDER / SOURCES[0], FLAGS, file(cache), niceness=niceness)


def fingerprint() -> str:
    """Changes with the sources, the flags and the CPU's instructions: a cache may travel between machines."""
    parts = [*FLAGS, platform.machine(), _cpu_features(), *(_read(name) for name in SOURCES)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _cpu_features() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
