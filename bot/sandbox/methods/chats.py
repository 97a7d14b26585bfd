"""What the bot asks about chats and their members: getChat, getChatMember and the like, leaveChat."""

from bot.sandbox import groups, wire
from bot.sandbox.errors import bad_request
from bot.sandbox.objects import JsonObject
from bot.sandbox.params import ChatName, Params

from .registry import Api, method


class ChatParams(Params):
    chat_id: ChatName | None = None


@method("getChat", ChatParams)
def get_chat(api: Api, p: ChatParams) -> JsonObject:
    return wire.full_chat(api.world.state, api.chat(p.chat_id))


class MemberParams(ChatParams):
    user_id: int = 0


@method("getChatMember", MemberParams)
def get_chat_member(api: Api, p: MemberParams) -> JsonObject:
    chat = api.chat(p.chat_id)
    if p.user_id not in api.world.state.users:
        raise bad_request("invalid user_id specified" if p.user_id <= 0 else "user not found")
    status = chat.members.get(p.user_id, "left")
    if chat.type == "private" and p.user_id in (chat.id, api.world.bot.id):
        status = chat.members.get(p.user_id, "member")
    return wire.member(api.world.user(p.user_id), status)


@method("getChatMemberCount", ChatParams)
def get_chat_member_count(api: Api, p: ChatParams) -> int:
    chat = api.chat(p.chat_id)
    inside = [status for status in chat.members.values() if status not in ("left", "kicked")]
    return 2 if chat.type == "private" else len(inside)


@method("getChatAdministrators", ChatParams)
def get_chat_administrators(api: Api, p: ChatParams) -> list[JsonObject]:
    chat = api.chat(p.chat_id)
    if chat.type == "private":
        raise bad_request("there are no administrators in the private chat")
    admins = {who: status for who, status in chat.members.items() if status in ("creator", "administrator")}
    return [
        wire.member(api.world.user(who), status)
        for who, status in admins.items()
        if not api.world.user(who).is_bot or who == api.world.bot.id
    ]


@method("leaveChat", ChatParams)
def leave_chat(api: Api, p: ChatParams) -> bool:
    chat = api.chat(p.chat_id)
    if chat.type == "private":
        raise bad_request("chat member status can't be changed in private chats")
    groups.remove_member(api.world, chat, api.world.bot.id, by=api.world.bot.id)
    return True
