"""What everything that the bot sends has in common: its text or caption, its place, its buttons."""

from typing import Annotated

from bot.sandbox import entities, markup, wire
from bot.sandbox.entities import EntityError
from bot.sandbox.errors import bad_request
from bot.sandbox.objects import Chat, Entity, JsonObject, Thing
from bot.sandbox.params import ChatName, Decoded, Flag, Params

from .keyboards import ReplyMarkup, checked_keyboard
from .registry import Api

MAX_BYTES = 1 << 15
# These Telegram finds by itself and ignores when a bot sends them.
_FOUND = {
    "mention",
    "hashtag",
    "cashtag",
    "bot_command",
    "url",
    "email",
    "phone_number",
    "bank_card_number",
}
_ASKED = {
    "bold",
    "italic",
    "underline",
    "strikethrough",
    "spoiler",
    "code",
    "pre",
    "text_link",
    "text_mention",
    "custom_emoji",
    "blockquote",
    "expandable_blockquote",
}


class ReplyParameters(Thing):
    message_id: int = 0
    chat_id: int | str | None = None
    allow_sending_without_reply: bool = False


class SendParams(Params):
    """Where something is sent, and how."""

    chat_id: ChatName | None = None
    message_thread_id: int | None = None
    reply_parameters: Annotated[ReplyParameters | None, Decoded] = None
    disable_notification: Flag = False
    protect_content: Flag = False
    reply_markup: Annotated[ReplyMarkup | None, Decoded] = None


def post(api: Api, p: SendParams, limit: int, **content: object) -> JsonObject:
    """Put a message of the bot into a chat; its text or caption may have `limit` characters."""
    keyboard = checked_keyboard(p.reply_markup)
    chat = api.writable(p.chat_id)
    reply_to = _reply_to(chat, p.reply_parameters)
    thread = thread_of(chat, p.message_thread_id)
    if len(str(content.get("text") or content.get("caption") or "")) > limit:
        raise bad_request(f"message{' caption' if 'caption' in content else ''} is too long")
    message = api.world.add_message(
        chat,
        from_id=api.world.bot.id,
        reply_to=reply_to or thread,
        thread_id=thread,
        keyboard=keyboard,
        silent=p.disable_notification,
        protected=p.protect_content,
        **content,
    )
    return wire.message(api.world.state, message)


def written(api: Api, text: str, parse_mode: str, given: list[Entity] | None) -> tuple[str, list[Entity]]:
    """A text as Telegram stores it. Raises ApiError for one that it refuses."""
    if len(text.encode()) > MAX_BYTES:
        raise bad_request("text is too long")
    try:
        body, asked = markup.parse(text, parse_mode) if parse_mode else (text, _asked(given or []))
        return entities.normalise(body, _with_users(api, asked))
    except EntityError as error:
        raise bad_request(str(error)) from None


def _asked(given: list[Entity]) -> list[Entity]:
    for entity in given:
        if entity.type not in _ASKED | _FOUND:
            raise bad_request("can't parse MessageEntity: Unsupported type specified")
    return [entity for entity in given if entity.type in _ASKED]


def _with_users(api: Api, given: list[Entity]) -> list[Entity]:
    """A text_mention names a user by id; one that the bot does not know stays plain text."""
    known = api.world.state.users
    resolved = (
        entity.model_copy(update={"user": known.get(entity.user.id)}) if entity.user else entity
        for entity in given
    )
    return [entity for entity in resolved if entity.type != "text_mention" or entity.user]


def _reply_to(chat: Chat, reply: ReplyParameters | None) -> int | None:
    if reply is None or reply.message_id in chat.messages:
        return reply.message_id if reply else None
    if reply.allow_sending_without_reply:
        return None
    raise bad_request("message to be replied not found")


def thread_of(chat: Chat, thread: int | None) -> int | None:
    """A topic of the forum. The General topic has no number in sends."""
    if not thread:
        return None
    if thread not in chat.topics:
        raise bad_request("message thread not found")
    return thread
