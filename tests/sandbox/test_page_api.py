"""The page's API: what a person sees and does, and the stream of events."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from telegram import Bot

from bot.sandbox.people import Person
from bot.sandbox.server import Running

ANN, LI_LEI = 1001, 1002


async def state(http: httpx.AsyncClient, me: int) -> dict[str, Any]:
    answer: dict[str, Any] = (await http.get("/api/state", params={"me": me})).json()
    return answer


@asynccontextmanager
async def listening(
    http: httpx.AsyncClient, me: int, after: str
) -> AsyncIterator[AsyncIterator[tuple[str, dict[str, Any]]]]:
    async with http.stream("GET", "/api/events", params={"me": me, "after": after}, timeout=30) as stream:

        async def events() -> AsyncIterator[tuple[str, dict[str, Any]]]:
            kind = ""
            async for line in stream.aiter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield kind, json.loads(line.removeprefix("data: "))

        yield events()


async def test_a_person_sees_their_own_chats(http: httpx.AsyncClient, ann: Person, li_lei: Person) -> None:
    await ann.say("secret")
    await li_lei.say("hello", chat="Team")
    seen = {
        chat["id"]: [m["text"] for m in chat["messages"]] for chat in (await state(http, LI_LEI))["chats"]
    }
    assert list(seen.values()) == [[], ["hello"]]


async def test_what_happens_is_streamed(
    http: httpx.AsyncClient, bot: Bot, ann: Person, li_lei: Person
) -> None:
    cursor = (await state(http, ANN))["cursor"]
    async with listening(http, ANN, cursor) as events:
        await li_lei.say("not for Ann's eyes")
        sent = await bot.send_message(ANN, "…")
        await bot.edit_message_text("done", chat_id=ANN, message_id=sent.message_id)
        await bot.send_chat_action(ANN, "typing")
        seen = [await anext(events) for _ in range(3)]
    assert [(kind, data.get("text")) for kind, data in seen] == [
        ("message", "…"),
        ("edit", "done"),
        ("action", None),
    ]


async def test_a_reconnect_misses_nothing(http: httpx.AsyncClient, ann: Person) -> None:
    cursor = (await state(http, ANN))["cursor"]
    await ann.say("one")
    async with listening(http, ANN, cursor) as events:
        assert (await anext(events))[1]["text"] == "one"


async def test_an_unknown_cursor_asks_for_a_fresh_start(http: httpx.AsyncClient) -> None:
    async with listening(http, ANN, "other-3") as events:
        assert (await anext(events))[0] == "reset"


async def test_doing(http: httpx.AsyncClient, bot: Bot, ann: Person) -> None:
    async def do(action: str, **values: object) -> httpx.Response:
        return await http.post(f"/api/{action}", json={"me": ANN, "chat": ANN, **values})

    await do("say", text="one")
    await do("edit", message_id=1, text="two")
    await do("react", message_id=1, emoji="👍")
    assert (ann.messages()[0].text, ann.messages()[0].reactions) == ("two", {ANN: ["👍"]})
    await do("delete", message_id=1)
    assert ann.messages() == []
    assert (await do("react", message_id=1, emoji="👍")).status_code == 409
    assert (await do("say", text=" ")).json() == {"error": "an empty message cannot be sent"}
    assert (await do("say")).status_code == 422
    await do("block", blocked=True)
    assert (await bot.get_updates())[-1].my_chat_member is not None


async def test_the_worlds_switches(http: httpx.AsyncClient, bot: Bot, running: Running) -> None:
    await http.post("/api/settings", json={"privacy": "off", "limits": True})
    assert (await bot.get_me()).can_read_all_group_messages
    assert running.sandbox.flood.enabled
    assert (await state(http, ANN))["settings"] == {"privacy": "off", "limits": True}
