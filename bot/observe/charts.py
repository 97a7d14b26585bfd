"""Charts: the picture of /stats. Knows numbers, and no more of the history than their shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Protocol

from bot.observe.style import LIGHT, Theme, Translate, mood_names, picture, tidy, weekly

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT_INCHES = 7.5


class Percentiles(Protocol):
    """Seconds: half of the values are at most `p50`, 95 % at most `p95`."""

    @property
    def p50(self) -> float: ...
    @property
    def p95(self) -> float: ...


class Day(Protocol):
    """Turns of one day, and how many of them had which mood."""

    @property
    def date(self) -> date: ...
    @property
    def turns(self) -> int: ...
    @property
    def moods(self) -> Mapping[str, int]: ...


class Stats(Protocol):
    """What is drawn; see bot.history.records.Stats."""

    @property
    def users(self) -> int: ...
    @property
    def days(self) -> Sequence[Day]: ...
    @property
    def turns(self) -> int: ...
    @property
    def turns_today(self) -> int: ...
    @property
    def moods(self) -> Mapping[str, int]: ...
    @property
    def sentiment_s(self) -> Percentiles | None: ...
    @property
    def first_token_s(self) -> Percentiles | None: ...


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a picture shows, and in which language."""

    stats: Stats
    translate: Translate


async def draw(drawing: Drawing) -> bytes:
    """A PNG, drawn beside the event loop."""

    def paint(figure: "Figure", theme: Theme, _: Translate) -> None:
        _headline(figure, drawing.stats, theme, _)
        _days(figure.add_axes((0.10, 0.345, 0.84, 0.36)), drawing.stats, theme, _)
        _speeds(figure.add_axes((0.10, 0.045, 0.84, 0.175)), drawing.stats, theme, _)

    return await picture(paint, drawing.translate, LIGHT, HEIGHT_INCHES)


def _headline(figure: "Figure", stats: Stats, theme: Theme, _: Translate) -> None:
    """Three numbers to be read at a glance, and the mood of the month below them."""
    figures = (
        (stats.users, _("people")),
        (stats.turns_today, _("turns today")),
        (stats.turns, _("turns in 30 days")),
    )
    for place, (number, name) in enumerate(figures):
        left = 0.10 + place * 0.29
        figure.text(left, 0.905, f"{number:,}", fontsize=30, fontweight="bold")
        figure.text(left, 0.868, name, fontsize=11.5, color=theme.muted)
    judged = sum(stats.moods.values())
    for place, (mood, name) in enumerate(mood_names(_).items()):
        left, share = 0.10 + place * 0.29, stats.moods.get(mood, 0) / judged if judged else 0
        figure.text(left, 0.782, "●", fontsize=13, color=theme.moods[mood])
        figure.text(left + 0.04, 0.785, f"{name} {share:.0%}", fontsize=12)


def _days(axes: "Axes", stats: Stats, theme: Theme, _: Translate) -> None:
    """Turns of each day, with the colours of their moods."""
    floor = [0] * len(stats.days)
    for mood, colour in theme.moods.items():
        floor = _stack(axes, floor, [day.moods.get(mood, 0) for day in stats.days], colour)
    _stack(axes, floor, [day.turns - sum(day.moods.values()) for day in stats.days], theme.unjudged)
    dated = weekly(len(stats.days))
    axes.set_xticks(dated, [f"{stats.days[place].date:%m-%d}" for place in dated])
    axes.set_xlim(-0.7, len(stats.days) - 0.3)
    axes.set_ylim(0, max(4, *(day.turns for day in stats.days)) * 1.05)
    axes.locator_params(axis="y", integer=True, nbins=5)
    axes.set_title(_("Turns by day"), loc="left", fontsize=13, fontweight="bold", pad=10)
    axes.grid(axis="y", color=theme.line)
    tidy(axes, theme, bottom=True)


def _stack(axes: "Axes", floor: Sequence[int], heights: Sequence[int], colour: str) -> list[int]:
    axes.bar(range(len(heights)), heights, bottom=floor, width=0.78, color=colour)
    return [below + height for below, height in zip(floor, heights, strict=True)]


def _speeds(axes: "Axes", stats: Stats, theme: Theme, _: Translate) -> None:
    """How long people wait: half of the time at most the dark part, nearly always at most the light one."""
    rows = ((_("until the sentiment"), stats.sentiment_s), (_("until the first word"), stats.first_token_s))
    longest = max((times.p95 for _name, times in rows if times), default=1.0) or 1.0
    for place, (name, times) in enumerate(rows):
        axes.text(0, -place + 0.34, name, fontsize=11.5, va="bottom")
        if times is None:
            axes.text(0, -place, "–", fontsize=11.5, va="center", color=theme.muted)
            continue
        axes.barh(-place, times.p95, height=0.36, color=theme.slow)
        axes.barh(-place, times.p50, height=0.36, color=theme.fast)
        axes.text(longest * 1.03, -place, _shown(times), fontsize=11.5, va="center", ha="left")
    axes.set_xlim(0, longest * 1.45)
    axes.set_ylim(-1.4, 0.9)
    axes.set_yticks([])
    axes.set_xticks([])
    axes.set_title(_("Waiting time, p50 and p95"), loc="left", fontsize=13, fontweight="bold", pad=10)
    tidy(axes, theme, bottom=False)


def _shown(times: Percentiles) -> str:
    return f"{times.p50:.2g} s · {times.p95:.2g} s"
