"""What the bot writes: sendMessage, editMessageText, editMessageReplyMarkup, deleteMessage, sendChatAction."""

from typing import Annotated

from bot.sandbox import entities, wire
from bot.sandbox.errors import bad_request
from bot.sandbox.objects import Entity, JsonObject, Message
from bot.sandbox.params import ChatName, Decoded, Params

from .keyboards import ReplyMarkup, checked_keyboard
from .registry import Api, method
from .sending import SendParams, post, thread_of, written

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


class TextParams(Params):
    text: str = ""
    entities: Annotated[list[Entity] | None, Decoded] = None
    parse_mode: str = ""
    link_preview_options: Annotated[JsonObject | None, Decoded] = None


class SendMessage(TextParams, SendParams):
    pass


@method("sendMessage", SendMessage)
def send_message(api: Api, p: SendMessage) -> JsonObject:
    text, found = _text(api, p)
    return post(api, p, entities.MAX_TEXT, text=text, entities=found, link_preview=p.link_preview_options)


def _text(api: Api, p: TextParams) -> tuple[str, list[Entity]]:
    """Unlike a caption, a text must not be empty."""
    if not p.text:
        raise bad_request("message text is empty")
    text, found = written(api, p.text, p.parse_mode, p.entities)
    if not text:
        raise bad_request("text must be non-empty")
    return text, found


class EditMessageReplyMarkup(Params):
    chat_id: ChatName | None = None
    message_id: int = 0
    reply_markup: Annotated[ReplyMarkup | None, Decoded] = None


class EditMessageText(TextParams, EditMessageReplyMarkup):
    pass


@method("editMessageText", EditMessageText)
def edit_message_text(api: Api, p: EditMessageText) -> JsonObject:
    text, found = _text(api, p)
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
        thread_of(chat, p.message_thread_id)
    api.world.tell("action", chat.id, {"action": p.action.lower(), "thread_id": p.message_thread_id})
    return True
