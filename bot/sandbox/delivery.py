"""Which of the people's messages reach the bot: Telegram's privacy mode. Pure rules over the state."""

from .entities import covered
from .objects import Chat, Message, State


def sees_everything(state: State, chat: Chat) -> bool:
    """Private chats and channels are open; groups are with privacy mode off or for an admin bot."""
    admin = chat.members.get(state.bot.id) in ("administrator", "creator")
    return not chat.is_group or state.privacy == "off" or admin


def reaches_bot(state: State, chat: Chat, message: Message) -> bool:
    """Whether the bot gets an update for `message`, which somebody else wrote or edited."""
    status = chat.members.get(state.bot.id, "member" if chat.type == "private" else "left")
    if status in ("left", "kicked"):
        return False
    if sees_everything(state, chat) or message.service or message.via_bot:
        return True
    return _is_command(state, message) or _is_reply(state, chat, message) or _is_mention(state, message)


def _is_command(state: State, message: Message) -> bool:
    """A command that the message begins with, and that is not another bot's."""
    first = [entity for entity in message.entities if entity.offset == 0]
    commands = covered(message.words, first, "bot_command")
    return any(command.partition("@")[2].lower() in ("", _username(state)) for command in commands)


def _is_reply(state: State, chat: Chat, message: Message) -> bool:
    original = chat.messages.get(message.reply_to or 0)
    return original is not None and original.from_id == state.bot.id


def _is_mention(state: State, message: Message) -> bool:
    if state.privacy != "mentions":
        return False
    names = covered(message.words, message.entities, "mention")
    by_name = any(name[1:].lower() == _username(state) for name in names)
    return by_name or any(entity.user and entity.user.id == state.bot.id for entity in message.entities)


def _username(state: State) -> str:
    return (state.bot.username or "").lower()
