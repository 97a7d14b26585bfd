"""`make bench-peers`: Tandem, transformers, llama.cpp and OpenVINO GenAI in one interleaved run on the same weights.

Environments and models of the peers are made on demand in the folder named first (`.bench`), where the report goes
too (`peers.json`). A peer that cannot be made or fails ends the run: there are no gaps.
"""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from bot.bench.machine import limits
from bot.bench.processes import Command, own
from bot.bench.report import ceiling, report, table
from bot.bench.run import QUICK, Plan, run
from bot.bench.setup import options, prompts
from bot.cli.bench import progress_bar
from bot.cli.run import fetch
from bot.config import load

HERE = Path(__file__).parent
LLAMA = {"llama.cpp Q4_0": "q4_0", "llama.cpp Q8_0": "q8_0", "llama.cpp Q4_K_M": "model"}
TORCH = f"torch=={version('torch').partition('+')[0]}"
GENAI = {"OpenVINO INT8": "int8", "OpenVINO INT4": "int4"}


def main(bench: Path, quick: bool) -> None:
    """Make what is missing, measure, write and show."""
    settings = load()
    folder = fetch(settings).folder
    given = options(settings, folder)
    given["vocabulary"] = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    models = bench / "models"
    llama = [
        Command(
            name,
            [
                str(bench / "llama/bin/python"),
                str(HERE / "llama.py"),
                json.dumps({**given, "model": str(models / f"{kind}.gguf")}),
            ],
        )
        for name, kind in LLAMA.items()
    ]
    genai = [
        Command(
            name,
            [
                str(bench / "openvino/bin/python"),
                str(HERE / "genai.py"),
                json.dumps({**given, "model": str(models / f"openvino-{kind}")}),
            ],
        )
        for name, kind in GENAI.items()
    ]
    make(bench, folder)
    commands = [own("local", given), *llama, *genai, own("reference", given)]
    plan = replace(QUICK, texts=50) if quick else Plan()
    machine = asyncio.run(limits())
    with progress_bar() as told:
        measured = asyncio.run(run(commands, plan, *prompts(settings, folder), told))
    found = report(machine, measured, plan)
    (bench / "peers.json").write_text(json.dumps(found, indent=2, ensure_ascii=False), encoding="utf-8")
    console = Console(width=200)
    console.print(ceiling(machine), table(found))


def make(bench: Path, folder: Path) -> None:
    """Environments, then models; what is there is kept."""
    environment(bench / "llama", "xllamacpp==2026.10.11549", "numpy")
    environment(bench / "openvino", TORCH, "openvino-genai==2026.4.1.0", "optimum-intel[openvino]==2.2.0")
    models = bench / "models"
    call(sys.executable, str(HERE / "quantise.py"), str(models))
    for kind, more in (("int8", ()), ("int4", ("--group-size", "64"))):
        target = models / f"openvino-{kind}"
        if not (target / "openvino_model.bin").exists():
            export = [str(bench / "openvino/bin/optimum-cli"), "export", "openvino", "--model", str(folder)]
            export += ["--task", "text-generation-with-past", "--weight-format", kind, *more, str(target)]
            call(*export)


def environment(folder: Path, *packages: str) -> None:
    """A virtual environment of its own: the peers' requirements clash with ours."""
    if (folder / ".made").exists():
        return
    pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check"]
    call(sys.executable, "-m", "venv", "--clear", str(folder))
    if TORCH in packages:
        # As in the Makefile: PyTorch's own index has the CPU build, and where it cannot be reached pip knows another.
        alone = [*pip, "install", "--quiet", "--no-deps"]
        index = ["--retries", "0", "--timeout", "10", "--index-url", os.environ["TORCH_INDEX"]]
        if subprocess.run([*alone, *index, TORCH]).returncode:
            call(*alone, TORCH)
    call(*pip, "install", "--quiet", *packages)
    # optimum brings a torchvision that does not fit a CPU build of torch, and breaks its own import with it.
    call(*pip, "uninstall", "--quiet", "--yes", "torchvision")
    (folder / ".made").touch()


def call(*command: str) -> None:
    """Run it, or end everything with its words."""
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), "--quick" in sys.argv[2:])
