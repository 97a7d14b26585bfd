"""The picture of /stats: a PNG for a phone, in letters that the machine really has."""

from datetime import date, timedelta

import pytest

from bot.history.records import Day, Percentiles, Stats
from bot.locales import translation
from bot.observe import style
from bot.observe.charts import Drawing, draw

ENGLISH, CHINESE = (translation(language).gettext for language in ("en", "zh_CN"))


def stats(turns: int) -> Stats:
    moods = {"positive": turns // 2, "negative": turns // 4, "neutral": turns // 8}
    days = tuple(Day(date(2026, 11, 22) - timedelta(days=age), turns, moods) for age in reversed(range(30)))
    times = Percentiles(0.06, 0.21) if turns else None
    return Stats(users=7, days=days, failed=1, sentiment_s=times, first_token_s=times, reused=0.5)


@pytest.mark.parametrize("turns", [0, 1, 100_000])
async def test_it_is_a_picture_for_a_phone_held_upright(turns: int) -> None:
    picture = await draw(Drawing(stats(turns), ENGLISH))
    assert picture.startswith(b"\x89PNG")
    assert [int.from_bytes(picture[at : at + 4], "big") for at in (16, 20)] == [1080, 1350]


async def test_chinese_needs_a_font_and_is_english_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing letter would be a warning, and that an error here."""
    english, chinese = [await draw(Drawing(stats(20), words)) for words in (ENGLISH, CHINESE)]
    monkeypatch.setattr(style, "CHINESE_FONTS", ())
    without = [await draw(Drawing(stats(20), words)) for words in (ENGLISH, CHINESE)]
    assert without[0] == without[1]
    if english != without[0]:
        assert chinese != english
