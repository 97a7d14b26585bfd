"""Moods: the picture of /mood. Good days grow upwards, bad ones downwards, and what is neither lies in between."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.observe.charts import Day
from bot.observe.style import Theme, Translate, mood_names, picture, tidy, weekly

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT_INCHES = 6.0
LEFT, RIGHT, COLUMN, FACE = 0.075, 0.925, 0.292, 0.1
SMILES = {"positive": 0.9, "neutral": 0.0, "negative": -0.9}
"""How far the corners of the mouth are up."""


async def draw_moods(days: Sequence[Day], translate: Translate, theme: Theme) -> bytes:
    """A PNG of one person's moods, oldest day first."""

    def paint(figure: "Figure", theme: Theme, _: Translate) -> None:
        figure.text(LEFT, 0.905, _("My mood"), fontsize=21, fontweight="bold")
        span = f"{days[0].date:%Y-%m-%d} – {days[-1].date:%Y-%m-%d}"
        figure.text(RIGHT, 0.908, span, fontsize=12, color=theme.muted, ha="right")
        _counts(figure, days, theme, _)
        _bars(figure.add_axes((LEFT, 0.09, RIGHT - LEFT, 0.55)), days, theme)

    return await picture(paint, translate, theme, HEIGHT_INCHES)


def _counts(figure: "Figure", days: Sequence[Day], theme: Theme, _: Translate) -> None:
    """How often which mood, beside its face."""
    counts = {mood: sum(day.moods.get(mood, 0) for day in days) for mood in theme.moods}
    judged = sum(counts.values())
    for place, (mood, name) in enumerate(mood_names(_).items()):
        left = LEFT + place * COLUMN
        _face(figure.add_axes((left, 0.718, FACE, FACE)), theme.moods[mood], theme.paper, SMILES[mood])
        figure.text(left + FACE + 0.02, 0.767, f"{counts[mood]:,}", fontsize=23, fontweight="bold")
        share = counts[mood] / judged if judged else 0
        figure.text(left + FACE + 0.02, 0.72, f"{name} {share:.0%}", fontsize=11, color=theme.muted)


def _face(axes: "Axes", colour: str, paper: str, smile: float) -> None:
    """A round face. matplotlib draws letters of one colour only, so an emoji would not do."""
    from matplotlib.patches import Circle

    axes.add_patch(Circle((0, 0), 1, color=colour))
    for side in (-0.36, 0.36):
        axes.add_patch(Circle((side, 0.26), 0.13, color=paper))
    across = [step / 20 - 0.5 for step in range(21)]
    mouth = [-0.34 - smile * (0.22 - 0.9 * x * x) for x in across]
    axes.plot(across, mouth, color=paper, linewidth=2.8, solid_capstyle="round")
    axes.set_xlim(-1.06, 1.06)
    axes.set_ylim(-1.06, 1.06)
    axes.set_aspect("equal")
    axes.axis("off")


def _bars(axes: "Axes", days: Sequence[Day], theme: Theme) -> None:
    for place, day in enumerate(days):
        good, middle, bad = (day.moods.get(mood, 0) for mood in theme.moods)
        top, bottom = middle / 2 + good, -middle / 2 - bad
        for floor, height, colour in (
            (middle / 2, good, theme.positive),
            (-middle / 2, middle, theme.neutral),
            (bottom, bad, theme.negative),
        ):
            if height:
                axes.bar(
                    place, height, 0.8, floor, color=colour, edgecolor=theme.paper, linewidth=1.2, zorder=2
                )
        # However few they are, one message is not the whole height.
        axes.update_datalim([(place, max(top, 2)), (place, min(bottom, -2))])
    axes.use_sticky_edges = False
    axes.margins(y=0.05)
    axes.axhline(0, color=theme.line, linewidth=1.5, zorder=1)
    axes.set_xlim(-0.7, len(days) - 0.3)
    axes.set_yticks([])
    dated = weekly(len(days))
    axes.set_xticks(dated, [f"{days[place].date:%m-%d}" for place in dated])
    axes.grid(axis="x", color=theme.line)
    tidy(axes, theme, bottom=False)
