"""The requests of one repetition: fresh prompts, made once and put to every engine."""

from dataclasses import dataclass

from bot.bench.prompts import Fresh
from bot.bench.scenario import Ask
from bot.model.api import ChatMessage, Role
from bot.model.tokens import PromptEncoder

Messages = list[tuple[str, str]]

USERS = (1, 4, 8, 16)
REMARK_TOKENS = 20
HISTORY_TOKENS = 1000
NINTH_TOKENS = 48
PREFILL_TOKENS = 512
READING_TOKENS = 2000
WAITED = 4
"""New tokens of an answer for each one beside it: so many come until the last one's prompt is read."""
ENDLESS = 1500
"""New tokens of answers that only run in the background."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is asked: new tokens of an answer, and of each of several; verdicts under load."""

    reply: int = 128
    decode: int = 96
    verdicts: int = 12
    conversations: int = 8


@dataclass(frozen=True, slots=True)
class Composer:
    """Makes requests out of texts: the bot's own prompts, through the model's own template."""

    encoder: PromptEncoder
    chat_prompt: str
    sentiment_prompt: str

    def answer(self, messages: Messages, new: int, conversation: str | None = None) -> Ask:
        """The chat task."""
        return self._ask("answer", self.chat_prompt, messages, new, conversation)

    def verdict(self, text: str) -> Ask:
        """The sentiment task."""
        return self._ask("verdict", self.sentiment_prompt, [("user", text)], 1, None)

    def _ask(self, kind: str, system: str, messages: Messages, new: int, conversation: str | None) -> Ask:
        whole: list[tuple[Role, str]] = [("system", system), *messages]  # type: ignore[list-item]
        tokens = self.encoder.prompt([ChatMessage(role, text) for role, text in whole]).tokens
        return Ask(kind, whole, tokens, new, conversation)  # type: ignore[arg-type]


class Day:
    """The requests of one repetition, the same for every engine."""

    def __init__(self, compose: Composer, fresh: Fresh, sizes: Sizes) -> None:
        self.sizes = sizes
        self._compose = compose
        remark = [fresh.remark(REMARK_TOKENS) for _ in range(5)]
        self.alone = compose.verdict(remark[0])
        self.message = compose.verdict(remark[1])
        past = fresh.history(HISTORY_TOKENS, 9)
        self.message_chat = compose.answer([*past, ("user", remark[1])], 1, "message")
        self.warming = [compose.verdict(remark[2]), compose.answer([("user", remark[2])], 1, "warming")]
        self.warm = [compose.verdict(remark[3]), compose.answer([("user", remark[3])], 1, "warm")]
        self._talk = [*fresh.history(HISTORY_TOKENS - NINTH_TOKENS, 8), ("user", fresh.question())]
        self._talk_goes_on = fresh.question()
        self.ninth_turn = compose.answer(self._talk, NINTH_TOKENS, "talk")
        self.reply = compose.answer([("user", fresh.question())], sizes.reply, "reply")
        self.users = {
            count: [
                compose.answer([("user", fresh.question())], sizes.decode + count * WAITED, f"user {index}")
                for index in range(count)
            ]
            for count in USERS[1:]
        }
        frame = len(compose.answer([("user", "")], 1).tokens)
        self.prefill = compose.answer([("user", fresh.passage(PREFILL_TOKENS - frame))], 1, "prefill")
        self.reading = compose.answer([("user", fresh.passage(READING_TOKENS - frame))], 1, "reading")
        self.load = self._background(fresh, 8)
        self.readers = self._background(fresh, 4)
        self.verdicts = [compose.verdict(fresh.remark(REMARK_TOKENS)) for _ in range(sizes.verdicts)]
        self.pauses = [fresh.pause_s() for _ in self.verdicts]
        self.conversations = [
            compose.answer(
                [*fresh.history(HISTORY_TOKENS, 9), ("user", fresh.question())], 1, f"kept {index}"
            )
            for index in range(sizes.conversations)
        ]

    def _background(self, fresh: Fresh, count: int) -> list[Ask]:
        return [
            self._compose.answer([("user", fresh.question())], ENDLESS, f"background {index}")
            for index in range(count)
        ]

    def tenth_turn(self, reply: str) -> Ask:
        """What follows when `ninth_turn` was answered with `reply`."""
        messages = [*self._talk, ("assistant", reply), ("user", self._talk_goes_on)]
        return self._compose.answer(messages, 1, "talk")
