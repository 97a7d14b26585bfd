"""Prompts of a benchmark: natural, of the length that was asked for, and never the same twice."""

from collections import Counter
from pathlib import Path

import pytest

from bot.bench.day import USERS, Composer, Day, Sizes
from bot.bench.prompts import Fresh
from bot.model.tokens import PromptEncoder

SIZES = Sizes(verdicts=4, conversations=2)


@pytest.fixture
def encoder(tiny_model: Path) -> PromptEncoder:
    return PromptEncoder(tiny_model)


@pytest.fixture
def fresh(encoder: PromptEncoder) -> Fresh:
    return Fresh(encoder.encode_text, encoder.decode)


def asked(day: Day) -> list[str]:
    """The newest message of everything that is asked in a repetition, but of a verdict and an answer together once."""
    asks = [
        *(day.alone, day.message, *day.warming[:1], *day.warm[:1], day.ninth_turn, day.reply),
        *(day.tenth_turn("…"), day.prefill, day.reading, *day.load, *day.readers, *day.verdicts),
        *(*(ask for count in USERS[1:] for ask in day.users[count]), *day.conversations),
    ]
    return [ask.messages[-1][1] for ask in asks]


def test_no_repetition_asks_anything_again(encoder: PromptEncoder, fresh: Fresh) -> None:
    compose = Composer(encoder, "a chat", "a judge")
    texts = [text for _ in range(10) for text in asked(Day(compose, fresh, SIZES))]
    assert [text for text, count in Counter(texts).items() if count > 1] == []
    assert len(texts) > 400


def test_no_history_repeats_a_message(fresh: Fresh) -> None:
    texts = [text for _ in range(20) for _, text in fresh.history(1000, 9)]
    assert len(set(texts)) == len(texts)


@pytest.mark.real_model
def test_messages_have_the_length_that_was_asked_for(real_model_folder: Path) -> None:
    encoder = PromptEncoder(real_model_folder)
    fresh = Fresh(encoder.encode_text, encoder.decode)
    for wanted, make in ((20, fresh.remark), (500, fresh.passage)):
        for _ in range(20):
            assert abs(len(encoder.encode_text(make(wanted))) - wanted) <= 2
    past = sum(len(encoder.encode_text(text)) for _, text in fresh.history(1000, 9))
    assert 950 <= past <= 1050


def test_the_same_seed_asks_the_same(encoder: PromptEncoder) -> None:
    def texts(seed: int) -> list[str]:
        fresh = Fresh(encoder.encode_text, encoder.decode, seed)
        return [fresh.question(), fresh.remark(20), fresh.passage(100)]

    assert texts(3) == texts(3)
    assert texts(3) != texts(4)


def test_running_out_of_words_is_said(encoder: PromptEncoder, fresh: Fresh) -> None:
    with pytest.raises(RuntimeError, match="no fresh prompts are left"):
        list(map(fresh.passage, [3] * 100_000))
