"""The mood on the real model, as a user meets it, and what makes three moods of two words."""

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from bot.config import Sentiment as Settings
from bot.dispatch import make_sentiment
from bot.model.local import LocalModel
from bot.model.parts import LocalSettings
from bot.tasks.sentiment import LONGEST, Sentiment, by_preference


def rows(file):
    return [
        json.loads(line) for line in (Path(__file__).parent / file).read_text(encoding="utf-8").splitlines()
    ]


ATTACKS = rows("attacks.jsonl")
NEUTRAL = rows("neutral.jsonl")


@pytest.fixture(scope="module")
def opening(real_model_folder):
    """Opens the model, as often as it is called."""
    settings = LocalSettings(library_cache=real_model_folder.parent / "native")
    return partial(LocalModel.opened, real_model_folder, settings)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model(opening):
    async with opening() as opened:
        yield opened


@pytest.fixture
def sentiment(model):
    return make_sentiment(Settings(), model)


@pytest.mark.real_model
@pytest.mark.asyncio(loop_scope="module")
class TestRealModel:
    async def test_who_writes_while_it_still_prepares_is_judged_as_later(self, opening, sentiment):
        texts = ["I am so happy that you are back!", "代码又报错了，我已经改了一整天。"]
        async with opening() as model:
            early = make_sentiment(Settings(), model)
            found = await asyncio.gather(*(early.judge(text) for text in texts))
        assert list(found) == [await sentiment.judge(text) for text in texts]

    async def test_closed_while_it_still_prepares_it_ends_quietly(self, opening, caplog):
        async with opening() as model:
            async with asyncio.timeout(30):
                while not model.load().waiting:  # noqa: ASYNC110 -- it tells nobody
                    await asyncio.sleep(0)
        assert caplog.records == []

    @pytest.mark.parametrize(
        ("text", "mood"),
        [
            ("今天的实验终于成功了，太棒了！", "positive"),
            ("代码又报错了，我已经改了一整天。", "negative"),
            ("I am so happy that you are back!", "positive"),
            ("This is the worst meal I ever had.", "negative"),
            ("你好", "neutral"),
            ("Good morning", "neutral"),
            ("珠穆朗玛峰有多高？", "neutral"),
            ("Where can I buy stamps?", "neutral"),
            ("这列火车有十六节车厢。", "neutral"),
            ("The museum is next to the town hall.", "neutral"),
            ("🎉😄", "positive"),
            ("😭😭😭", "negative"),
            ("Je suis très content de mon nouveau vélo !", "positive"),
            ("Das Essen war kalt und der Kellner unfreundlich.", "negative"),
            ("¿A qué hora sale el autobús?", "neutral"),
            ("とても楽しかったです！", "positive"),
            ("Меня это ужасно раздражает.", "negative"),
            ("기차는 몇 시에 출발해요?", "neutral"),
            ("❤️❤️❤️", "positive"),
            ("👏👏", "positive"),
            ("😡", "negative"),
            ("🧷", "neutral"),
            ("7", "neutral"),
        ],
    )
    async def test_moods(self, sentiment, text, mood):
        assert (await sentiment.judge(text)).mood == mood

    @pytest.mark.parametrize("text", ["", "   ", "……", "\u200b", "<|im_end|>", "\x00"])
    async def test_a_text_without_content_has_no_mood(self, sentiment, text):
        verdict = await sentiment.judge(text)
        assert verdict.mood == "neutral"
        assert sum(verdict.probabilities.values()) == pytest.approx(1)

    @pytest.mark.parametrize("kind", ["greeting", "question", "statement"])
    async def test_what_is_said_without_a_mood_has_none(self, sentiment, kind):
        texts = [row["text"] for row in NEUTRAL if row["kind"] == kind]
        moody = [text for text in texts if (await sentiment.judge(text)).mood != "neutral"]
        assert len(texts) >= 10
        assert len(moody) <= len(texts) / 20, moody

    async def test_instructions_in_the_text_are_not_obeyed(self, sentiment):
        changed = [
            attack["attack"]
            for attack in ATTACKS
            if (await sentiment.judge(attack["plain"])).mood != (await sentiment.judge(attack["attack"])).mood
        ]
        assert len(ATTACKS) == 50
        assert len(changed) <= 5, changed

    @pytest.mark.parametrize(
        ("opinion", "mood"),
        [("这本书太好看了，强烈推荐给大家！", "positive"), ("这本书无聊透顶，完全浪费时间。", "negative")],
    )
    @pytest.mark.parametrize("where", ["both ends", "beginning", "end"])
    async def test_long_texts_are_judged_by_beginning_and_end(self, sentiment, opinion, mood, where):
        middle = "书里讲了一条河的历史，分为上游、中游和下游三个部分。" * 200
        first = "" if where == "end" else opinion * 3
        last = "" if where == "beginning" else opinion * 3
        assert (await sentiment.judge(f"{first}{middle}{last}")).mood == mood

    async def test_the_middle_of_a_long_text_is_not_read(self, sentiment):
        around = "书里讲了一条河的历史，分为上游、中游和下游三个部分。" * 100
        plain = await sentiment.judge(around * 2)
        assert await sentiment.judge(f"{around}{'太糟糕了！' * 20}{around}") == plain

    async def test_another_prompt_is_answered_by_its_own_words(self, model):
        settings = Settings(
            prompt="Is the text good or bad? Say only good or bad.", positive="good", negative="bad"
        )
        sentiment = make_sentiment(settings, model)
        assert (await sentiment.judge("What a wonderful day, I love it!")).mood == "positive"
        assert (await sentiment.judge("This is awful, I hate it so much.")).mood == "negative"


@pytest.mark.parametrize("unit", ["好", "word ", "🤡", "\u0e01", "a", "\n"])
async def test_however_long_a_text_is_its_budget_holds(tiny_model, unit):
    """One token for each byte: this model has no room for more than the budget."""
    prompt, labels = "?", {"+": "positive", "-": "negative"}
    around = 70  # the template, the prompt and the label
    settings = LocalSettings(weights="fp32", context=LONGEST + around, threads=1)
    async with LocalModel.opened(tiny_model, settings) as model:
        verdict = await Sentiment(model, prompt, labels).judge(unit * 20_000)
    assert sum(verdict.probabilities.values()) == pytest.approx(1)


def test_a_weak_preference_is_no_mood():
    moods = [max(found, key=found.get) for found in map(by_preference, (-9, -0.1, 0, 0.1, 9))]
    assert moods == ["negative", "neutral", "neutral", "neutral", "positive"]


@pytest.mark.parametrize("preference", [-40, -3, 0, 0.5, 40])
def test_moods_share_all_that_is_probable(preference):
    found = by_preference(preference)
    assert sum(found.values()) == pytest.approx(1)
    assert min(found.values()) >= 0
