"""Style: what all pictures have in common: colours, letters, a size for phones. Knows nothing of what they show.

matplotlib is slow to import, so it comes late; it draws in a thread, and only one picture at a time, for its
settings belong to the whole process.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_INCHES, DPI = 6.0, 180
LATIN_FONT = "DejaVu Sans"  # matplotlib brings it
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

Translate = Callable[[str], str]

_one_at_a_time = Lock()


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours. `ink` is for words, `muted` for what is read second, `line` for what is only seen."""

    paper: str
    ink: str
    muted: str
    line: str
    positive: str
    neutral: str
    negative: str
    unjudged: str
    fast: str
    slow: str

    @property
    def moods(self) -> Mapping[str, str]:
        """Colours by mood, from good to bad."""
        return {"positive": self.positive, "neutral": self.neutral, "negative": self.negative}


LIGHT = Theme(
    paper="#ffffff",
    ink="#1d2733",
    muted="#7c8896",
    line="#e4e8ed",
    positive="#3fae7a",
    neutral="#9fb3c8",
    negative="#e2725b",
    unjudged="#dde3ea",
    fast="#4f83cc",
    slow="#c9daf2",
)
DARK = Theme(
    paper="#17212b",
    ink="#f2f5f8",
    muted="#93a1b0",
    line="#2b3846",
    positive="#4cc38a",
    neutral="#6f8499",
    negative="#ee8068",
    unjudged="#354454",
    fast="#6aa0ea",
    slow="#33527d",
)

Paint = Callable[["Figure", Theme, Translate], None]


async def picture(paint: Paint, translate: Translate, theme: Theme, height_inches: float) -> bytes:
    """A PNG of what `paint` puts on an empty figure, drawn beside the event loop."""
    return await asyncio.to_thread(_picture, paint, translate, theme, height_inches)


def _picture(paint: Paint, translate: Translate, theme: Theme, height_inches: float) -> bytes:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with _one_at_a_time:
        font = _chinese_font()
        families = [font, LATIN_FONT] if font else [LATIN_FONT]
        with rc_context({"font.family": families, "text.color": theme.ink, "axes.edgecolor": theme.line}):
            figure = Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DPI, facecolor=theme.paper)
            # Without a font, Chinese would be a row of boxes.
            paint(figure, theme, translate if font or translate("people").isascii() else str)
            png = BytesIO()
            figure.savefig(png, format="png")
    return png.getvalue()


def _chinese_font() -> str | None:
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return next((name for name in CHINESE_FONTS if name in installed), None)


def mood_names(_: Translate) -> Mapping[str, str]:
    """From good to bad, as the themes have them."""
    return {"positive": _("positive"), "neutral": _("neutral"), "negative": _("negative")}


def tidy(axes: "Axes", theme: Theme, *, bottom: bool) -> None:
    """Axes without a frame, at most with a line at the bottom."""
    for side in ("top", "right", "left", *(() if bottom else ("bottom",))):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=theme.muted, labelsize=10.5, length=0)
    axes.set_axisbelow(True)
    axes.set_facecolor("none")


def weekly(count: int) -> list[int]:
    """Places of so many days that get a date: today's, and one for each week before."""
    return [place for place in range(count) if (count - 1 - place) % 7 == 0]
