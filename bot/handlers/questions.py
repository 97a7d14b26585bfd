"""Questions: what somebody asks of the bot, in which words, and about what. Knows neither the history nor the model."""

from collections.abc import Collection
from dataclasses import dataclass

from telegram import Document, Message, Update, User

from bot.conversation import ConversationKey
from bot.handlers.edits import Edits
from bot.transport.files import text_document
from bot.transport.triggers import (
    addressed_text,
    command_of,
    conversation_key,
    is_addressed,
    text_behind,
    words_of,
)

LONGEST_QUOTE = 2000


@dataclass(frozen=True, slots=True)
class Quote:
    """The message that a question replies to. `chosen`: the asker marked just these words."""

    message_id: int
    author: str
    text: str
    chosen: bool

    @property
    def block(self) -> str:
        """As it stands above the question in a prompt."""
        said = self.text if len(self.text) <= LONGEST_QUOTE else f"{self.text[:LONGEST_QUOTE]}…"
        lines = f"{self.author}: {said}".splitlines()
        return "\n".join(f"> {line}" for line in lines)


@dataclass(frozen=True, slots=True)
class Question:
    """One message to the bot. `document` is the file that it brings or replies to, `file` what that says.

    `task` is the command of a task, and `about` the message with the words for it.
    """

    key: ConversationKey
    message: Message
    text: str
    quote: Quote | None
    document: Document | None = None
    file: str = ""
    task: str = ""
    about: int = 0


class Questions:
    """Finds them in updates. `tasks` are commands that ask for something else than an answer."""

    def __init__(self, me: User, edits: Edits, tasks: Collection[str] = (), *, shared: bool = False) -> None:
        self._me = me
        self._edits = edits
        self._tasks = tasks
        self._shared = shared

    def conversation(self, update: Update) -> ConversationKey | None:
        """Where something is said; with `shared` a group has one conversation for all its members."""
        return conversation_key(update, shared=self._shared)

    def of(self, update: Update) -> Question | None:
        """What a new or edited message asks; None for what is not meant for the bot, or says nothing.

        A reply without words of its own, by /ask or a mention, asks what the message says that it replies to.
        The text is empty where a file alone says what is asked, and where a task is about what was said before.
        """
        message, key = update.message or update.edited_message, self.conversation(update)
        if message is None or key is None:
            return None
        # What a file says is known since the message was new.
        document = _document(message) if update.message is not None else None
        text = text_behind(message, self._me, self._tasks)
        if text is not None:
            return self._of_task(message, key, self._newest(update, text), document)
        text = self._text(message)
        if text is None:
            return None
        quote = _quote(message)
        if not text and document is None:
            return Question(key, message, quote.text, None) if quote else None
        return Question(key, message, self._newest(update, text), quote, document)

    def _of_task(
        self, message: Message, key: ConversationKey, text: str, document: Document | None
    ) -> Question:
        """A task is about the words behind its command, a file, or the message that it replies to."""
        about, quote = message.message_id, _quote(message)
        if not text and document is None and quote is not None:
            text, about = quote.text, quote.message_id
        return Question(key, message, text, None, document, task=command_of(message) or "", about=about)

    def _newest(self, update: Update, text: str) -> str:
        """What a new message says now."""
        return self._edits.newest(update.message, text) if update.message is not None else text

    def _text(self, message: Message) -> str | None:
        """What a message says to the bot; None for what is not meant for it."""
        text = text_behind(message, self._me, {"ask"})
        if text is None:
            text = addressed_text(message, self._me)
        if text is None and text_document(message) is not None and is_addressed(message, self._me):
            return ""
        return text


def _document(message: Message) -> Document | None:
    """The file of text that a message brings, or else that of the message that it replies to."""
    target = message.reply_to_message
    return text_document(message) or (text_document(target) if target is not None else None)


def _quote(message: Message) -> Quote | None:
    """The words that a message replies to; None if it replies to nothing that says something."""
    target = message.reply_to_message
    if target is None or target.forum_topic_created is not None:
        return None
    said = message.quote.text if message.quote else words_of(target)
    author = target.sender_chat.effective_name if target.sender_chat else None
    if author is None and target.from_user is not None:
        author = target.from_user.full_name
    if not said.strip():
        return None
    return Quote(target.message_id, author or "?", said, chosen=message.quote is not None)
