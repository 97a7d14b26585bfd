"""The picture of /mood: by day, light and dark, in letters that the machine really has, also many at a time."""

import asyncio
from datetime import date, timedelta

import pytest

from bot.history.records import Day
from bot.locales import translation
from bot.observe import style
from bot.observe.moods import draw_moods
from bot.observe.style import DARK, LIGHT

ENGLISH, CHINESE = (translation(language).gettext for language in ("en", "zh_CN"))


def days(**moods: int) -> list[Day]:
    """A month with these moods on every third day."""
    today = date(2026, 11, 22)
    counts = [(today - timedelta(days=age), moods if age % 3 == 0 else {}) for age in reversed(range(30))]
    return [Day(day, sum(found.values()), found) for day, found in counts]


@pytest.mark.parametrize("moods", [{"positive": 1}, {"negative": 100_000}, {"neutral": 1}, {}])
@pytest.mark.parametrize("theme", [LIGHT, DARK])
async def test_it_is_a_square_picture_whatever_the_mood(moods: dict[str, int], theme: style.Theme) -> None:
    picture = await draw_moods(days(**moods), CHINESE, theme)
    assert picture.startswith(b"\x89PNG")
    assert [int.from_bytes(picture[at : at + 4], "big") for at in (16, 20)] == [1080, 1080]


async def test_every_mood_theme_and_language_is_another_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing letter would be a warning, and that an error here."""
    one_of_each = days(positive=2, neutral=1, negative=1)
    shown = [
        await draw_moods(one_of_each, ENGLISH, LIGHT),
        await draw_moods(one_of_each, ENGLISH, DARK),
        await draw_moods(days(positive=1, neutral=2, negative=1), ENGLISH, LIGHT),
        await draw_moods(days(positive=1, neutral=1, negative=2), ENGLISH, LIGHT),
    ]
    assert len(set(shown)) == len(shown)
    monkeypatch.setattr(style, "CHINESE_FONTS", ())
    without = [await draw_moods(one_of_each, words, LIGHT) for words in (ENGLISH, CHINESE)]
    assert without[0] == without[1]


async def test_pictures_that_are_drawn_at_once_do_not_disturb_each_other() -> None:
    """matplotlib's settings belong to the process: one theme must not show in another picture."""
    moods = days(positive=1, negative=1)
    alone = [await draw_moods(moods, ENGLISH, theme) for theme in (LIGHT, DARK)]
    together = await asyncio.gather(*(draw_moods(moods, ENGLISH, theme) for theme in (LIGHT, DARK) * 2))
    assert together == alone * 2
