"""What this machine can do at most: reading memory, int8 products, bfloat16 products. `python -m bot.bench.machine`.

A process of its own, because torch asks for huge pages only if it is told so before it is imported.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

ROWS, INPUTS, OUTPUTS = 512, 2048, 2048
OPERATIONS = 2 * ROWS * INPUTS * OUTPUTS
READ_BYTES = 1 << 30


async def limits() -> dict[str, float | None]:
    """`read_gb_s`, `int8_tops` (a multiplication and an addition are two), `bf16_gflops`; None where torch cannot."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.bench.machine"),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "THP_MEM_ALLOC_ENABLE": "1"},
    )
    output, _ = await process.communicate()
    found: dict[str, float | None] = json.loads(output)
    return found


def main() -> None:
    """Measure, and print one object of JSON."""
    with torch.inference_mode():
        found = {"read_gb_s": _read(), "int8_tops": _int8(), "bf16_gflops": _bf16()}
    print(json.dumps(found))  # noqa: T201  # this is the answer


def _read() -> float:
    data = torch.ones(READ_BYTES // 8, dtype=torch.int64)
    return READ_BYTES / _best_s(data.sum) / 1e9


def _int8() -> float | None:
    """oneDNN's product, as bot.engine.linear calls it."""
    x = torch.randint(0, 255, (ROWS, INPUTS), dtype=torch.uint8)
    scale, zeros = torch.ones(OUTPUTS), torch.zeros(OUTPUTS, dtype=torch.int64)
    product = torch.ops.onednn.qlinear_pointwise
    try:
        weight = torch.randint(-127, 127, (OUTPUTS, INPUTS), dtype=torch.int8)
        packed = torch.ops.onednn.qlinear_prepack(weight, None)

        def multiply() -> object:
            return product(x, 1.0, 0, packed, scale, zeros, None, 1.0, 0, torch.float32, "none", [], "")

        return OPERATIONS / _best_s(multiply) / 1e12
    except RuntimeError:  # torch was built without it
        return None


def _bf16() -> float:
    x, weight = torch.randn(ROWS, INPUTS).bfloat16(), torch.randn(OUTPUTS, INPUTS).bfloat16()
    return OPERATIONS / _best_s(lambda: F.linear(x, weight)) / 1e9


def _best_s(work: Callable[[], object], seconds: float = 0.7) -> float:
    """Seconds of the fastest call: the machine's limit is what it does undisturbed."""
    work()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begun)
    return best


if __name__ == "__main__":
    main()
