"""What the bot writes: sendMessage, editMessageText, editMessageReplyMarkup, deleteMessage, sendChatAction."""

from typing import Annotated

from bot.sandbox import entities, markup, wire
from bot.sandbox.entities import EntityError
from bot.sandbox.errors import bad_request
from bot.sandbox.objects import Chat, Entity, JsonObject, Message, Thing
from bot.sandbox.params import ChatName, Decoded, Flag, Params

from .keyboards import ReplyMarkup, checked_keyboard
from .registry import Api, method

MAX_BYTES = 1 << 15
DELETABLE_S = 48 * 3600
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)
ACTIONS = {
    "cancel",
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "record_audio",
    "upload_audio",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
}
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


class TextParams(Params):
    text: str = ""
    entities: Annotated[list[Entity] | None, Decoded] = None
    parse_mode: str = ""
    link_preview_options: Annotated[JsonObject | None, Decoded] = None
    reply_markup: Annotated[ReplyMarkup | None, Decoded] = None


class SendMessage(TextParams):
    chat_id: ChatName | None = None
    message_thread_id: int | None = None
    reply_parameters: Annotated[ReplyParameters | None, Decoded] = None
    disable_notification: Flag = False
    protect_content: Flag = False


@method("sendMessage", SendMessage)
def send_message(api: Api, p: SendMessage) -> JsonObject:
    text, found = written(api, p)
    keyboard = checked_keyboard(p.reply_markup)
    chat = api.writable(p.chat_id)
    reply_to = _reply_to(chat, p.reply_parameters)
    thread = _thread(chat, p.message_thread_id)
    if len(text) > entities.MAX_TEXT:
        raise bad_request("message is too long")
    message = api.world.add_message(
        chat,
        from_id=api.world.bot.id,
        text=text,
        entities=found,
        reply_to=reply_to or thread,
        thread_id=thread,
        keyboard=keyboard,
        link_preview=p.link_preview_options,
        silent=p.disable_notification,
        protected=p.protect_content,
    )
    return wire.message(api.world.state, message)


def written(api: Api, p: TextParams) -> tuple[str, list[Entity]]:
    """The text as Telegram stores it. Raises ApiError for one that it refuses."""
    if not p.text:
        raise bad_request("message text is empty")
    if len(p.text.encode()) > MAX_BYTES:
        raise bad_request("text is too long")
    try:
        text, given = (
            markup.parse(p.text, p.parse_mode) if p.parse_mode else (p.text, _asked(p.entities or []))
        )
        text, found = entities.normalise(text, _with_users(api, given))
    except EntityError as error:
        raise bad_request(str(error)) from None
    if not text:
        raise bad_request("text must be non-empty")
    return text, found


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


def _thread(chat: Chat, thread: int | None) -> int | None:
    """A topic of the forum. The General topic has no number in sends."""
    if not thread:
        return None
    if thread not in chat.topics:
        raise bad_request("message thread not found")
    return thread


class EditMessageReplyMarkup(Params):
    chat_id: ChatName | None = None
    message_id: int = 0
    reply_markup: Annotated[ReplyMarkup | None, Decoded] = None


class EditMessageText(TextParams, EditMessageReplyMarkup):
    pass


@method("editMessageText", EditMessageText)
def edit_message_text(api: Api, p: EditMessageText) -> JsonObject:
    text, found = written(api, p)
    keyboard = checked_keyboard(p.reply_markup)
    message = own_message(api, p.chat_id, p.message_id)
    if message.text is None:
        raise bad_request("there is no text in the message to edit")
    if len(text) > entities.MAX_TEXT:
        raise bad_request("MESSAGE_TOO_LONG")  # unlike for a send, the server's own word comes through
    if (text, found, keyboard) == (message.text, message.entities, message.keyboard):
        raise bad_request(NOT_MODIFIED)
    message.keyboard = keyboard
    message.link_preview = p.link_preview_options
    api.world.change_text(message, text, found)
    return wire.message(api.world.state, message)


@method("editMessageReplyMarkup", EditMessageReplyMarkup)
def edit_message_reply_markup(api: Api, p: EditMessageReplyMarkup) -> JsonObject:
    keyboard = checked_keyboard(p.reply_markup)
    message = own_message(api, p.chat_id, p.message_id)
    if keyboard == message.keyboard:
        raise bad_request(NOT_MODIFIED)
    api.world.change_keyboard(message, keyboard)
    return wire.message(api.world.state, message)


def own_message(api: Api, chat_id: int | str | None, message_id: int) -> Message:
    """A message that the bot may edit."""
    if chat_id is not None and message_id <= 0:
        raise bad_request("message identifier is not specified")
    message = api.message(api.writable(chat_id), message_id, "message to edit")
    if message.from_id != api.world.bot.id or message.service:
        raise bad_request("message can't be edited")
    return message


class DeleteMessage(Params):
    chat_id: ChatName | None = None
    message_id: int = 0


@method("deleteMessage", DeleteMessage)
def delete_message(api: Api, p: DeleteMessage) -> bool:
    if p.chat_id is not None and p.message_id <= 0:
        raise bad_request("message identifier is not specified")
    chat = api.writable(p.chat_id)
    message = api.message(chat, p.message_id, "message to delete")
    own = message.from_id == api.world.bot.id
    if not own and chat.type != "private" and not api.is_admin(chat):
        raise bad_request("message can't be deleted")
    if api.world.now - message.date > DELETABLE_S and not api.is_admin(chat):
        raise bad_request("message can't be deleted for everyone")
    api.world.remove_message(chat, p.message_id)
    return True


class SendChatAction(Params):
    chat_id: ChatName | None = None
    message_thread_id: int | None = None
    action: str = ""


@method("sendChatAction", SendChatAction)
def send_chat_action(api: Api, p: SendChatAction) -> bool:
    if p.action.lower() not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    chat = api.writable(p.chat_id)
    # Unlike a send, an action may name the General topic.
    if p.message_thread_id not in (None, 0, 1):
        _thread(chat, p.message_thread_id)
    api.world.tell("action", chat.id, {"action": p.action.lower(), "thread_id": p.message_thread_id})
    return True
