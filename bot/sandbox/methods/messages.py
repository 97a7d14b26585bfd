"""What the bot writes: sendMessage, editMessageText, editMessageReplyMarkup, deleteMessage, sendChatAction."""

from typing import Annotated

from pydantic import Field

from bot.sandbox import entities
from bot.sandbox.errors import bad_request
from bot.sandbox.objects import Button, Chat, Entity, JsonObject, Keyboard, Message, Thing
from bot.sandbox.params import ChatName, Decoded, Flag, Params

from .registry import Api, method

ACTIONS = {
    "cancel",
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
}


class ReplyMarkup(Thing):
    """Of the kinds of reply markup only inline keyboards stay with the message."""

    inline_keyboard: list[list[Button]] = Field(default_factory=list)


class ReplyParameters(Thing):
    message_id: int = 0
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
    text, found = written(p)
    keyboard = checked_keyboard(p.reply_markup)
    chat = api.writable(p.chat_id)
    message = api.world.add_message(
        chat,
        from_id=api.world.bot.id,
        text=text,
        entities=found,
        reply_to=_reply_to(chat, p.reply_parameters),
        keyboard=keyboard,
        link_preview=p.link_preview_options,
        silent=p.disable_notification,
        protected=p.protect_content,
    )
    return api.world.wire_message(message)


def written(p: TextParams) -> tuple[str, list[Entity]]:
    """The text as Telegram stores it. Raises ApiError for one that it refuses."""
    if not p.text:
        raise bad_request("message text is empty")
    text, kept = entities.trim(entities.clean(p.text), p.entities or [])
    if not text:
        raise bad_request("text must be non-empty")
    if len(text) > entities.MAX_TEXT:
        raise bad_request("message is too long")
    return text, entities.with_found(text, kept)


def checked_keyboard(markup: ReplyMarkup | None) -> Keyboard:
    rows = [row for row in (markup.inline_keyboard if markup else []) if row]
    for button in (button for row in rows for button in row):
        if button.callback_data is not None and not 1 <= len(button.callback_data.encode()) <= 64:
            raise bad_request("BUTTON_DATA_INVALID")
    return rows


def _reply_to(chat: Chat, reply: ReplyParameters | None) -> int | None:
    if reply is None or reply.message_id in chat.messages:
        return reply.message_id if reply else None
    if reply.allow_sending_without_reply:
        return None
    raise bad_request("message to be replied not found")


class EditMessageText(TextParams):
    chat_id: ChatName | None = None
    message_id: int = 0


@method("editMessageText", EditMessageText)
def edit_message_text(api: Api, p: EditMessageText) -> JsonObject:
    text, found = written(p)
    keyboard = checked_keyboard(p.reply_markup)
    message = own_message(api, api.writable(p.chat_id), p.message_id)
    if (text, found, keyboard) == (message.text, message.entities, message.keyboard):
        raise bad_request(
            "message is not modified: specified new message content and reply markup are exactly the same "
            "as a current content and reply markup of the message"
        )
    message.keyboard = keyboard
    api.world.change_text(message, text, found)
    return api.world.wire_message(message)


def own_message(api: Api, chat: Chat, message_id: int) -> Message:
    """A message that the bot may edit."""
    if message_id <= 0:
        raise bad_request("message identifier is not specified")
    if message_id not in chat.messages:
        raise bad_request("message to edit not found")
    message = chat.messages[message_id]
    if message.from_id != api.world.bot.id or message.text is None:
        raise bad_request("message can't be edited")
    return message


class DeleteMessage(Params):
    chat_id: ChatName | None = None
    message_id: int = 0


@method("deleteMessage", DeleteMessage)
def delete_message(api: Api, p: DeleteMessage) -> bool:
    chat = api.writable(p.chat_id)
    if p.message_id not in chat.messages:
        raise bad_request("message to delete not found")
    api.world.remove_message(chat, p.message_id)
    return True


class SendChatAction(Params):
    chat_id: ChatName | None = None
    action: str = ""


@method("sendChatAction", SendChatAction)
def send_chat_action(api: Api, p: SendChatAction) -> bool:
    if p.action not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    api.world.tell("action", api.writable(p.chat_id).id, {"action": p.action})
    return True
