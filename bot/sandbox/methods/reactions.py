"""How the bot answers without words: setMessageReaction and answerCallbackQuery."""

from typing import Annotated

from bot.sandbox.errors import bad_request
from bot.sandbox.objects import Chat, JsonObject
from bot.sandbox.params import ChatName, Decoded, Flag, Params

from .registry import Api, method

# The reactions that Telegram offers (ReactionTypeEmoji of Bot API 10.0). 😄 🙂 😊 😞 are not among them.
_OFFERED = (
    "👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤\u200d🔥 🌚 🌭 💯 🤣 ⚡ "
    "🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨\u200d💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 "
    "🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷\u200d♂ 🤷 🤷\u200d♀ 😡"
)
REACTIONS = _OFFERED.split()
MAX_ANSWER = 200


class SetMessageReaction(Params):
    chat_id: ChatName | None = None
    message_id: int = 0
    reaction: Annotated[list[JsonObject] | None, Decoded] = None
    is_big: Flag = False


@method("setMessageReaction", SetMessageReaction)
def set_message_reaction(api: Api, p: SetMessageReaction) -> bool:
    emoji = [_emoji(each) for each in p.reaction or []]
    chat = api.writable(p.chat_id)
    message = api.message(chat, p.message_id, "message to react")
    if len(emoji) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    if any(not _allowed(chat, each) for each in emoji):
        raise bad_request("REACTION_INVALID")
    api.world.set_reactions(message, api.world.bot.id, emoji)
    return True


def _emoji(reaction: JsonObject) -> str:
    if reaction.get("type") not in ("emoji", "custom_emoji", "paid"):
        raise bad_request("can't parse reaction type: Unsupported type specified")
    return str(reaction.get("emoji", "")).replace("\ufe0f", "")


def _allowed(chat: Chat, emoji: str) -> bool:
    return emoji in REACTIONS and (chat.allowed_reactions is None or emoji in chat.allowed_reactions)


class AnswerCallbackQuery(Params):
    callback_query_id: str = ""
    text: str = ""
    show_alert: Flag = False
    url: str = ""


@method("answerCallbackQuery", AnswerCallbackQuery)
def answer_callback_query(api: Api, p: AnswerCallbackQuery) -> bool:
    open_queries = api.world.open_queries()
    query = open_queries.pop(p.callback_query_id, None)
    if query is None:
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    if len(p.text) > MAX_ANSWER:
        raise bad_request("MESSAGE_TOO_LONG")
    api.world.state.queries = open_queries
    answer: JsonObject = {"text": p.text, "alert": p.show_alert, "user_id": query.user_id, "id": query.id}
    api.world.tell("answer", query.chat_id, answer)
    return True
