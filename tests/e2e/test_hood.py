"""Under the hood, over HTTP: every message of a person leads to what the model was asked for it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.cli.hood import Hood, names_of
from bot.config import Config
from bot.sandbox.server import Running, Sandbox, serve

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def hood(tiny_model: Path) -> Hood:
    return Hood(tiny_model, names_of(Config()))


@pytest.fixture
async def http(running: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=60) as client:
        yield client


async def trace(http: httpx.AsyncClient, chat: int, message: int) -> dict[str, Any]:
    """The requests by task; the answer has none."""
    told = (await http.get(f"/hood/{chat}/{message}")).json()
    assert told["finished"]
    return {request["task"]: request for request in told["requests"]}


def prompt(request: dict[str, Any]) -> str:
    return "".join(text for text, _, _ in request["prompt"])


async def test_a_turn_shows_both_prompts_and_what_came_of_them(bot, ann, http) -> None:
    async with bot():
        verdict, final = await ann.turn("Hello there")
        question = ann.person.messages()[0]
        chat = question_chat = ann.person.user.id
        assert (await http.get(f"/hood/{question_chat}")).json() == [question.message_id]
        requests = await trace(http, chat, question.message_id)
    mood, answer = requests["sentiment"], requests[""]
    assert prompt(mood).startswith("<|im_start|>system\n")
    assert "Hello there" in prompt(mood)
    assert "Hello there" in prompt(answer)
    assert set(mood["probabilities"]) == {"正面", "负面"}
    assert sum(mood["probabilities"].values()) == pytest.approx(1)
    assert " · " in verdict.text
    assert answer["text"].strip()
    assert final.text
    assert answer["finish"]["usage"]["generated"] >= len(answer["pieces_s"]) > 0
    assert answer["memory_bytes"] > 0


async def test_the_second_turn_reuses_the_first(bot, ann, http) -> None:
    async with bot():
        await ann.turn("one")
        await ann.turn("two")
        asked = [m.message_id for m in ann.person.messages() if m.from_id == ann.person.user.id]
        first, second = [await trace(http, ann.person.user.id, message) for message in asked]
    half = len(first[""]["prompt"]) / 2
    assert prompt(second[""]).startswith(prompt(first[""]))
    assert first[""]["finish"]["usage"]["cached"] < half < second[""]["finish"]["usage"]["cached"]
    assert second["sentiment"]["finish"]["usage"]["cached"] > 0


async def test_a_repeated_answer_belongs_to_its_question(bot, ann, telegram, http) -> None:
    async with bot():
        await ann.turn("one")
        question = ann.person.messages()[0].message_id
        before = await trace(http, ann.person.user.id, question)
        final = ann.of_bot()[-1]
        old = final.text
        await ann.person.press(final.message_id, final.keyboard[0][0].text)
        await telegram.wait_for(
            lambda _: ann.of_bot()[-1].text not in (old, None) and ann.of_bot()[-1].keyboard
        )
        await ann.finished(final.message_id)
        assert (await http.get(f"/hood/{ann.person.user.id}")).json() == [question]
        after = await trace(http, ann.person.user.id, question)
    assert after[""]["began_s"] > before[""]["began_s"]
    assert after["sentiment"] == before["sentiment"] | {"began_s": 0.0}


async def test_commands_and_groups(bot, ann, telegram, http) -> None:
    async with bot():
        await ann.reply("/sentiment what a day")
        command = ann.person.messages()[0].message_id
        assert list(await trace(http, ann.person.user.id, command)) == ["sentiment"]
        await ann.turn(f"@{telegram.world.bot.username} hi", "Team")
        team = telegram.world.chat("Team").id
        (question,) = (await http.get(f"/hood/{team}")).json()
        assert set(await trace(http, team, question)) == {"sentiment", ""}


async def test_the_page_is_told(bot, ann, telegram, http) -> None:
    told: list[dict[str, Any]] = []
    telegram.world.listeners.append(lambda event: event.kind == "trace" and told.append(event.data))
    async with bot():
        await ann.turn("Hello")
    question = ann.person.messages()[0].message_id
    assert told == [{"message_id": question}] * 5, "two begin, one grows, two end"


async def test_what_is_not_there_is_said_to_be_not_there(http) -> None:
    assert (await http.get("/hood/1001")).json() == []
    for path in ("/hood/1001/1", "/hood/1001/x"):
        assert (await http.get(path)).status_code == 404
    assert (await http.post("/hood/1001/1/article", headers=JSON, content="{}")).status_code == 404


async def test_the_hood_stands_behind_the_guard(http, running) -> None:
    assert (await http.get("/hood/1001", headers={"Host": "evil.example"})).status_code == 403
    foreign = JSON | {"Origin": "https://evil.example"}
    assert (await http.post("/hood/1001/1/article", headers=foreign, content="{}")).status_code == 403
    assert (await http.post("/hood/1001/1/article", content="{}")).status_code == 415


async def test_without_a_hood_there_is_none() -> None:
    async with serve(Sandbox()) as closed, httpx.AsyncClient(base_url=closed.url, trust_env=False) as client:
        assert (await client.get("/hood/1001")).status_code == 404
        assert (await client.get("/api/state")).json()["hood"] is False


async def test_the_same_the_articles_way_one_at_a_time(bot, ann, http) -> None:
    async with bot():
        await ann.turn("Hello there")
        address = f"/hood/{ann.person.user.id}/{ann.person.messages()[0].message_id}/article"
        async with http.stream("POST", address, headers=JSON, content="{}") as answer:
            steps = answer.aiter_lines()
            assert "loaded_s" in await anext(steps)
            assert (await http.post(address, headers=JSON, content="{}")).status_code == 409
            last = [json.loads(line) async for line in steps][-1]
        assert last["peak_bytes"] > 0
        async with http.stream("POST", address, headers=JSON, content="{}") as again:
            assert again.status_code == 200, "and it can be ended by not listening any more"


def test_labels_are_called_what_people_call_them():
    names = names_of(Config(sentiment={"positive": "好"}))
    assert names["sentiment"]["好"] == {"en": "positive", "zh": "正面"}
    assert names["intent"]["提问"] == {"en": "❓ question", "zh": "❓ 提问"}
    assert "summary" not in names
