"""Charts: pictures for a phone. Knows numbers and colours; matplotlib comes late, in a thread of its own.

The library is big and slow to import, and a bot that never draws does not need it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from io import BytesIO
from typing import Any, Protocol

INK, MUTED, LINE = "#1d2733", "#7c8896", "#e4e8ed"
MOODS = {"positive": "#3fae7a", "negative": "#e2725b", "neutral": "#9fb3c8"}
UNJUDGED = "#dde3ea"
FAST, SLOW = "#4f83cc", "#c9daf2"

SIZE_INCHES, DPI = (6.0, 7.5), 180
# Fonts that have Chinese letters, the most pleasant first.
CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Noto Sans CJK JP",
    "Droid Sans Fallback",
)

log = logging.getLogger(__name__)

Translate = Callable[[str], str]


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


async def draw(drawing: Drawing) -> bytes | None:
    """A PNG, drawn beside the event loop; None where matplotlib is not installed."""
    try:
        return await asyncio.to_thread(_draw, drawing)
    except ModuleNotFoundError as error:
        log.warning("there is no picture without the Python package %s: pip install matplotlib", error.name)
        return None


def _draw(drawing: Drawing) -> bytes:
    matplotlib = import_module("matplotlib")
    font = _chinese_font()
    # Without a font, Chinese would be a row of boxes.
    _ = drawing.translate if font or drawing.translate("people").isascii() else str
    families = [font, "DejaVu Sans"] if font else ["DejaVu Sans"]
    with matplotlib.rc_context({"font.family": families, "text.color": INK, "axes.edgecolor": LINE}):
        figure = import_module("matplotlib.figure").Figure(figsize=SIZE_INCHES, dpi=DPI, facecolor="white")
        _headline(figure, drawing.stats, _)
        _days(figure.add_axes((0.10, 0.345, 0.84, 0.36)), drawing.stats, _)
        _speeds(figure.add_axes((0.10, 0.045, 0.84, 0.175)), drawing.stats, _)
        picture = BytesIO()
        figure.savefig(picture, format="png")
    return picture.getvalue()


def _chinese_font() -> str | None:
    installed = {font.name for font in import_module("matplotlib.font_manager").fontManager.ttflist}
    return next((name for name in CHINESE_FONTS if name in installed), None)


def _headline(figure: Any, stats: Stats, _: Translate) -> None:
    """Three numbers to be read at a glance, and the mood of the month below them."""
    figures = (
        (stats.users, _("people")),
        (stats.turns_today, _("turns today")),
        (stats.turns, _("turns in 30 days")),
    )
    for place, (number, name) in enumerate(figures):
        left = 0.10 + place * 0.29
        figure.text(left, 0.905, f"{number:,}", fontsize=30, fontweight="bold")
        figure.text(left, 0.868, name, fontsize=11.5, color=MUTED)
    names = {"positive": _("positive"), "negative": _("negative"), "neutral": _("neutral")}
    judged = sum(stats.moods.values())
    for place, (mood, name) in enumerate(names.items()):
        left, share = 0.10 + place * 0.29, stats.moods.get(mood, 0) / judged if judged else 0
        figure.text(left, 0.782, "●", fontsize=13, color=MOODS[mood])
        figure.text(left + 0.04, 0.785, f"{name} {share:.0%}", fontsize=12)


def _days(axes: Any, stats: Stats, _: Translate) -> None:
    """Turns of each day, with the colours of their moods."""
    places = range(len(stats.days))
    floor = [0] * len(stats.days)
    for mood, colour in MOODS.items():
        floor = _stack(axes, floor, [day.moods.get(mood, 0) for day in stats.days], colour)
    _stack(axes, floor, [day.turns - sum(day.moods.values()) for day in stats.days], UNJUDGED)
    weekly = [place for place in places if (len(stats.days) - 1 - place) % 7 == 0]
    axes.set_xticks(weekly, [f"{stats.days[place].date:%m-%d}" for place in weekly])
    axes.set_xlim(-0.7, len(stats.days) - 0.3)
    axes.set_ylim(0, max(4, *(day.turns for day in stats.days)) * 1.05)
    axes.yaxis.get_major_locator().set_params(integer=True, nbins=5)
    axes.set_title(_("Turns by day"), loc="left", fontsize=13, fontweight="bold", pad=10)
    axes.grid(axis="y", color=LINE)
    _tidy(axes, left=True)


def _stack(axes: Any, floor: Sequence[int], heights: Sequence[int], colour: str) -> list[int]:
    axes.bar(range(len(heights)), heights, bottom=floor, width=0.78, color=colour)
    return [below + height for below, height in zip(floor, heights, strict=True)]


def _speeds(axes: Any, stats: Stats, _: Translate) -> None:
    """How long people wait: half of the time at most the dark part, nearly always at most the light one."""
    rows = ((_("until the sentiment"), stats.sentiment_s), (_("until the first word"), stats.first_token_s))
    longest = max((times.p95 for _name, times in rows if times), default=1.0) or 1.0
    for place, (name, times) in enumerate(rows):
        axes.text(0, -place + 0.34, name, fontsize=11.5, va="bottom")
        if times is None:
            axes.text(0, -place, "–", fontsize=11.5, va="center", color=MUTED)
            continue
        axes.barh(-place, times.p95, height=0.36, color=SLOW)
        axes.barh(-place, times.p50, height=0.36, color=FAST)
        axes.text(longest * 1.03, -place, _shown(times), fontsize=11.5, va="center", ha="left")
    axes.set_xlim(0, longest * 1.45)
    axes.set_ylim(-1.4, 0.9)
    axes.set_yticks([])
    axes.set_xticks([])
    axes.set_title(_("Waiting time, p50 and p95"), loc="left", fontsize=13, fontweight="bold", pad=10)
    _tidy(axes, left=False)


def _shown(times: Percentiles) -> str:
    return f"{times.p50:.2g} s · {times.p95:.2g} s"


def _tidy(axes: Any, *, left: bool) -> None:
    for side in ("top", "right", "left", *(() if left else ("bottom",))):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=MUTED, labelsize=10.5, length=0)
    axes.set_axisbelow(True)
