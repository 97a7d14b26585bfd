"""Questions: what somebody asks of the bot, in which words, and about what. Knows neither the history nor the model."""

from dataclasses import dataclass

from telegram import Document, Message, Update, User

from bot.conversation import ConversationKey
from bot.handlers.edits import Edits
from bot.transport.files import text_document
from bot.transport.triggers import addressed_text, asked_text, conversation_key, is_addressed, words_of

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
    """One message to the bot. `document` is the file that it brings or replies to, `file` what that says."""

    key: ConversationKey
    message: Message
    text: str
    quote: Quote | None
    document: Document | None = None
    file: str = ""


class Questions:
    """Finds them in updates."""

    def __init__(self, me: User, edits: Edits) -> None:
        self._me = me
        self._edits = edits

    def of(self, update: Update) -> Question | None:
        """What a new or edited message asks; None for what is not meant for the bot, or says nothing.

        A reply without words of its own, by /ask or a mention, asks what the message says that it replies to.
        The text is empty where a file alone says what is asked.
        """
        message, key = update.message or update.edited_message, conversation_key(update)
        text = None if message is None else self._text(message)
        if message is None or key is None or text is None:
            return None
        quote, document = _quote(message), _document(message)
        if update.message is None:
            document = None  # what the file says is known since the message was new
        if not text and document is None:
            return Question(key, message, quote.text, None) if quote else None
        if update.message is not None:
            text = self._edits.newest(message, text)
        return Question(key, message, text, quote, document)

    def _text(self, message: Message) -> str | None:
        """What a message says to the bot; None for what is not meant for it."""
        text = asked_text(message, self._me)
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
