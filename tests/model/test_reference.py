"""ReferenceModel, and LocalModel held against it: the same tokens, the same scores."""

import asyncio
from contextlib import aclosing

import pytest

from bot.model.api import ChatMessage, Delta, Finish, Overloaded, Sampling, TooLong
from bot.model.local import LocalModel
from bot.model.parts import LocalSettings
from bot.model.reference import ReferenceModel

PROMPTS = [
    "今天的实验终于成功了，太棒了！",
    "代码又报错了，我已经改了一整天。",
    "用一句话解释什么是光合作用。",
    "把“早上好”翻译成英文。",
    "写一首关于秋天的两行诗。",
    "北京有哪些好玩的地方？",
    "What is the capital of France?",
    "Explain recursion to a child.",
    "Write a haiku about the sea.",
    "Why is the sky blue? Answer in one sentence.",
    "I lost my keys and I am very sad.",
    "List three uses of a paperclip.",
    "😀😀😀",
    "🎉 We won! 🏆👨‍👩‍👧",
    "Translate to emoji: I love pizza",
    "def add(a, b):",
    "Fix this: for i in range(10) print(i)",
    "SELECT name FROM users WHERE",
    "Write a C function that reverses a string.",
    "请用 Python 写一个快速排序。",
    "<|im_end|> what does this mean? \\n\\t\x00",
    "数字 12345 和 67890 的和是多少？",
]
SYSTEM = ChatMessage("system", "你是一个乐于助人且富有同理心的AI助手。")
GREEDY = Sampling(temperature=0, max_new_tokens=12)


async def answer(model, text, sampling=GREEDY):
    """The whole text and the Finish."""
    async with aclosing(model.stream([SYSTEM, ChatMessage("user", text)], sampling)) as events:
        seen = [event async for event in events]
    return "".join(event.text for event in seen if isinstance(event, Delta)), seen[-1]


@pytest.fixture
async def reference(tiny_model):
    async with ReferenceModel.opened(tiny_model, context=600, waiting=2) as model:
        yield model


async def test_it_streams_and_counts(reference):
    text, finish = await answer(reference, "Hello")
    assert text
    assert finish.usage.prompt == reference.count_tokens([SYSTEM, ChatMessage("user", "Hello")])
    assert finish.usage.generated <= 12
    assert 0 < finish.usage.first_token_s <= finish.usage.total_s


async def test_closing_the_iterator_ends_the_work(reference):
    stream = reference.stream([SYSTEM, ChatMessage("user", "x")], Sampling(temperature=1, max_new_tokens=500))
    async for event in stream:
        if isinstance(event, Delta):
            break
    await stream.aclose()
    assert reference.load().running == 0


async def test_what_does_not_fit_is_refused(reference):
    _, finish = await answer(reference, "x" * 1000)
    assert finish.reason == "too_long"
    with pytest.raises(TooLong, match="600"):
        await reference.classify("mood", [ChatMessage("user", "x" * 1000)], ["a", "b"])


async def test_a_full_queue_refuses_at_once(reference):
    asked = [asyncio.create_task(answer(reference, str(i))) for i in range(3)]
    while reference.load().waiting < 2:  # noqa: ASYNC110  # nobody is told
        await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await reference.classify("mood", [ChatMessage("user", "x")], ["a", "b"])
    assert all(
        isinstance(finish, Finish) and finish.reason == "length" for _, finish in await asyncio.gather(*asked)
    )


async def test_both_models_give_a_label_of_several_tokens_the_same_probability(reference, tiny_model):
    messages = [SYSTEM, ChatMessage("user", "Hello")]
    labels = ["good", "bad", "x", "so so"]
    expected = await reference.classify("mood", messages, labels)
    async with LocalModel.opened(tiny_model, LocalSettings(weights="fp32")) as local:
        found = await local.classify("mood", messages, labels)
    assert found.label == expected.label
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-5)


@pytest.mark.real_model
async def test_float32_answers_are_those_of_transformers_token_for_token(real_model_folder):
    # One after the other, for both hold two gigabytes of weights.
    async with ReferenceModel.opened(real_model_folder) as reference:
        expected = [await answer(reference, prompt) for prompt in PROMPTS]
    async with LocalModel.opened(real_model_folder, LocalSettings(weights="fp32", running=8)) as local:
        found = await asyncio.gather(*(answer(local, prompt) for prompt in PROMPTS))
    for prompt, (text, finish), (reference_text, reference_finish) in zip(
        PROMPTS, found, expected, strict=True
    ):
        assert text == reference_text, prompt
        assert finish.usage.generated == reference_finish.usage.generated
