"""Triggers: whose update it is, whether it may wait, and what was said to the bot.

Pure functions over Telegram's objects; they know neither handlers nor the journal.
"""

import re
from collections.abc import Collection, Iterator

from telegram import Message, MessageEntity, Update, User

from bot.conversation import ConversationKey
from bot.transport.content import well_formed

GENERAL_TOPIC = 1
_COMMAND = re.compile(r"/(\w+)(?:@(\w+))?")
# What a removed "@bot" leaves behind at the start: "@bot: hello", "@bot，你好".
_LEFTOVER = " \t\r\n,:;，：；、"


def conversation_key(update: Update, *, shared: bool = False) -> ConversationKey | None:
    """Whose conversation `update` belongs to; None for what belongs to none (channel posts, joins, …).

    `shared`: the members of a group have one together.
    """
    sender = _sender(update)
    chat = update.effective_chat
    if sender is None or chat is None:
        return None
    if shared and chat.type in (chat.GROUP, chat.SUPERGROUP):
        sender = 0
    message = update.effective_message
    thread_id = message.message_thread_id if isinstance(message, Message) and message.is_topic_message else 0
    return ConversationKey(chat.id, 0 if thread_id in (None, GENERAL_TOPIC) else thread_id, sender)


def _sender(update: Update) -> int | None:
    """Anonymous admins, channels and linked channels write through one shared user: their chat tells them apart."""
    if update.callback_query:
        return update.callback_query.from_user.id
    message = update.message or update.edited_message
    if message is None:
        return None
    sender = message.sender_chat or message.from_user
    return sender.id if sender else None


def is_control(update: Update) -> bool:
    """Whether `update` must not wait behind the answer that it may be about: buttons, edits, /stop."""
    if update.message is None:
        return True
    named = _leading_command(update.message)
    return named is not None and named[0] == "stop"


def command_of(message: Message) -> str | None:
    """The command that `message` starts with, in small letters."""
    named = _leading_command(message)
    return named[0] if named else None


def is_meant(update: Update, me: User, commands: Collection[str]) -> bool:
    """Whether `update` asks something of the bot. In a group that is a command of its own, a mention or a reply."""
    message = update.message or update.edited_message
    if message is None:
        return update.callback_query is not None or update.inline_query is not None
    if not _may_be_meant(message, me):
        return False
    if message.chat.type == message.chat.PRIVATE or _replies_to(message, me):
        return True
    named = _leading_command(message)
    is_command = named is not None and (named[1] is not None or named[0] in commands)
    return is_command or any(_mentions(message, me))


def is_addressed(message: Message, me: User) -> bool:
    """Whether `message` is for the bot, whatever it holds: said in private, in reply to the bot, or with its name."""
    if not _may_be_meant(message, me):
        return False
    is_private = message.chat.type == message.chat.PRIVATE
    return is_private or _replies_to(message, me) or any(_mentions(message, me))


def addressed_text(message: Message, me: User) -> str | None:
    """What `message` says to the bot, without the mention; None when it is not meant for the bot.

    The text is empty when the bot was called without a word. Edited messages are read like new ones;
    whether an edit counts is the caller's to say.
    """
    if not _may_be_meant(message, me):
        return None
    text = words_of(message)
    if not text:
        return None
    if message.chat.type == message.chat.PRIVATE:
        return text
    mentions = list(_mentions(message, me))
    if not mentions and not _replies_to(message, me):
        return None
    return _without(text, mentions)


def text_behind(message: Message, me: User, commands: Collection[str]) -> str | None:
    """What follows one of `commands`; None where there is none of them, or where it is another bot's."""
    named = _leading_command(message)
    if named is None or named[0] not in commands or not _may_be_meant(message, me):
        return None
    return _COMMAND.sub("", words_of(message), count=1).strip()


def words_of(message: Message) -> str:
    """What a message says: its text, or the caption of what it shows."""
    return well_formed(message.text or message.caption or "")


def says_something(message: Message) -> bool:
    """Whether there is anything to judge or to answer: words, a file, or a sticker's emoji."""
    return bool(words_of(message) or message.document or message.sticker)


def _may_be_meant(message: Message, me: User) -> bool:
    if message.chat.type == message.chat.CHANNEL or message.business_connection_id is not None:
        return False
    if message.via_bot is not None and message.via_bot.id == me.id:
        return False
    # Two bots that answer each other never stop.
    if message.from_user is not None and message.from_user.is_bot and message.sender_chat is None:
        return False
    named = _leading_command(message)
    return named is None or named[1] is None or named[1].lower() == (me.username or "").lower()


def _leading_command(message: Message) -> tuple[str, str | None] | None:
    """The command that `message` starts with, in small letters, and the bot that it names."""
    starts = any(e.offset == 0 and e.type == e.BOT_COMMAND for e in _entities(message))
    match = _COMMAND.match(message.text or message.caption or "") if starts else None
    return (match[1].lower(), match[2]) if match else None


def _entities(message: Message) -> tuple[MessageEntity, ...]:
    return message.entities if message.text else message.caption_entities


def _replies_to(message: Message, me: User) -> bool:
    """Every message in a topic "replies" to the service message that opened it: that one does not count."""
    target = message.reply_to_message
    if target is None or target.from_user is None or target.forum_topic_created is not None:
        return False
    return target.from_user.id == me.id


def _mentions(message: Message, me: User) -> Iterator[tuple[int, int]]:
    """Where the bot is mentioned: UTF-16 start and end."""
    units = (message.text or message.caption or "").encode("utf-16-le", "surrogatepass")
    for entity in _entities(message):
        start, end = entity.offset, entity.offset + entity.length
        written = units[2 * start : 2 * end].decode("utf-16-le", "replace")
        by_name = entity.type == entity.MENTION and written.lower() == f"@{me.username}".lower()
        if by_name or (entity.type == entity.TEXT_MENTION and entity.user == me):
            yield start, end


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    """`text` without `spans` (UTF-16), leaving neither double spaces nor punctuation that led nowhere."""
    units = text.encode("utf-16-le", "surrogatepass")
    for start, end in sorted(spans, reverse=True):
        before = units[: 2 * start].decode("utf-16-le", "replace")
        after = units[2 * end :].decode("utf-16-le", "replace")
        units = _joined(before, after).encode("utf-16-le")
    return units.decode("utf-16-le").strip()


def _joined(before: str, after: str) -> str:
    if not before.strip():
        return after.lstrip(_LEFTOVER)
    if before[-1].isspace() and (not after or after[0].isspace() or after[0] in ",.:;!?，。：；！？、"):
        return before.rstrip(" ") + after
    return before + after
