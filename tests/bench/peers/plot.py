"""Plot and table of docs/performance.md, from the report of `make bench-peers`: the table goes to standard output."""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

from bot.bench.report import markdown

TARGET = Path(__file__).parents[3] / "docs/images/tokens-per-second.png"


def main(report: Path) -> None:
    """Every engine of the report."""
    found = json.loads(report.read_text(encoding="utf-8"))
    sys.stdout.write(markdown(found) + "\n")
    engines = found["engines"]
    figure, axes = plt.subplots(figsize=(9, 4.5))
    for name, one in engines.items():
        rates = one["decode_tok_s"]
        width = 3 if name == "local" else 1.5
        axes.plot(
            [int(users) for users in rates], list(rates.values()), marker="o", linewidth=width, label=name
        )
    axes.set(xlabel="answers at the same time", ylabel="tokens per second, together", xticks=(1, 4, 8, 16))
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    figure.tight_layout()
    figure.savefig(TARGET, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
