"""`python -m bot run` as its operator sees it: one line when it cannot start, and nothing lost when it is killed."""

import signal
from pathlib import Path

from bot.sandbox.faults import Stall
from bot.sandbox.objects import Message
from bot.sandbox.server import Running

WRONG = "7000000001:wrong-token-wrong-token-wrong-token"


async def test_a_wrong_token_ends_it_with_one_line_before_a_model_is_looked_for(launch) -> None:
    async with launch("run", TANDEM_TELEGRAM__TOKEN=WRONG, TANDEM_MODEL__NAME="no-such-model") as program:
        assert await program.ends() == 1
    (line,) = program.lines
    assert line.startswith("error: ")
    assert "telegram.token" in line
    assert "@BotFather" in line
    assert "wrong-token" not in line


async def test_no_token_is_one_line_too(launch) -> None:
    async with launch("run", TANDEM_TELEGRAM__TOKEN="", TANDEM_MODEL__NAME="no-such-model") as program:
        assert await program.ends() == 1
    (line,) = program.lines
    assert "TANDEM_TELEGRAM__TOKEN" in line


async def test_without_a_way_to_telegram_it_names_the_proxy_and_goes_on_trying(launch, closed_port) -> None:
    address = f"http://127.0.0.1:{closed_port}/bot"
    async with launch("run", TANDEM_TELEGRAM__BASE_URL=address) as program:
        await program.says("telegram.proxy")
        assert program.process.returncode is None
        await program.stop()
    assert "Traceback" not in "\n".join(program.lines)


async def test_it_stops_when_it_is_told_to(launch) -> None:
    async with launch("run") as program:
        await program.says("ready")
        assert await program.stop() == 0
    await program.says("stopped")


async def test_what_kill_9_interrupts_is_answered_once_by_the_next_process(
    launch, telegram: Running, tmp_path: Path
) -> None:
    person = telegram.person("Ann")

    def answers() -> list[Message]:
        bot_id = telegram.world.bot.id
        return [
            message
            for message in person.messages()
            if message.from_id == bot_id and "·" not in (message.text or "")
        ]

    # The first edit never ends: the placeholder is stored, and nothing of the answer is on the screen.
    telegram.sandbox.faults.order(Stall(), method="editMessageText", times=1)
    async with launch("run") as program:
        await program.says("ready")
        await person.say("Tell me a long story")
        await telegram.wait_for(
            lambda _: [call for call in telegram.sandbox.calls if call.method == "editmessagetext"], within=60
        )
        await program.stop(signal.SIGKILL)
    (placeholder,) = answers()
    assert (placeholder.text or "").endswith("▌")
    await person.say("And another one")
    async with launch("run") as program:
        await telegram.wait_for(
            lambda _: len(answers()) == 2 and not any((each.text or "").endswith("▌") for each in answers()),
            within=60,
        )
        await program.stop()
    first, second = answers()
    assert first.message_id == placeholder.message_id
    assert first.text
    assert second.text
