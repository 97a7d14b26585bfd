"""Serving: HTTP forms, tokens, ports, and leaving the process alone."""

import json
import logging
import signal

import httpx
import pytest

from bot.sandbox.people import Person
from bot.sandbox.server import NothingHappened, Running, Sandbox, SandboxError, serve


async def test_all_ways_of_sending_parameters(http: httpx.AsyncClient, running: Running, ann: Person) -> None:
    call = f"/bot{running.token}/sendMessage"
    values = {"chat_id": "1001", "text": "héllo & bye"}
    answers = [
        await http.get(call, params=values),
        await http.post(call, data=values),
        await http.post(call, json={"chat_id": 1001, "text": "héllo & bye"}),
        await http.post(call, data=values, files={"photo": ("x.png", b"\x89PNG")}),
        await http.post(call.replace("sendMessage", "SENDMESSAGE"), data=values),
    ]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert [message.text for message in ann.messages()] == ["héllo & bye"] * 5


async def test_nested_values_are_json_in_forms(
    http: httpx.AsyncClient, running: Running, ann: Person
) -> None:
    entities = json.dumps([{"type": "bold", "offset": 0, "length": 2}])
    await http.post(
        f"/bot{running.token}/sendMessage", data={"chat_id": 1001, "text": "hi", "entities": entities}
    )
    assert ann.messages()[0].entities[0].type == "bold"
    bad = {"chat_id": 1001, "text": "hi", "reply_markup": "{"}
    answer = await http.post(f"/bot{running.token}/sendMessage", data=bad)
    assert answer.json()["description"] == "Bad Request: can't parse reply keyboard markup JSON object"


@pytest.mark.parametrize(
    ("path", "status", "description"),
    [
        ("/bot123:wrong/getMe", 401, "Unauthorized"),
        ("/botnonsense/getMe", 404, "Not Found"),
        ("/bot{token}/sendTelepathy", 404, "Not Found"),
    ],
)
async def test_wrong_addresses(
    http: httpx.AsyncClient, running: Running, path: str, status: int, description: str
) -> None:
    answer = await http.get(path.replace("{token}", running.token))
    assert answer.status_code == status
    assert answer.json() == {"ok": False, "error_code": status, "description": description}


async def test_a_busy_port_is_one_clear_error(running: Running) -> None:
    with pytest.raises(SandboxError, match=rf"port {running.port} is taken already.*--port"):
        async with serve(Sandbox(), port=running.port):
            pass


async def test_an_open_host_needs_a_key() -> None:
    with pytest.raises(SandboxError, match="needs a key"):
        async with serve(Sandbox(), host="0.0.0.0"):
            pass


async def test_signals_and_logging_stay_with_the_process() -> None:
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    root = list(logging.getLogger().handlers)
    async with serve(Sandbox()):
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
        assert logging.getLogger().handlers == root
        assert logging.getLogger("uvicorn").handlers == []


async def test_waiting_in_vain_shows_what_was_said(running: Running, ann: Person) -> None:
    await ann.say("anybody?")
    with pytest.raises(NothingHappened, match=r"Ann: anybody\?"):
        await running.wait_for(lambda _: False, within=0.01)
