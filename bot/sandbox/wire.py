"""The Bot API's JSON of the world's things: what the bot gets to see. Pure functions over the state."""

from .objects import Button, Chat, Entity, JsonObject, MemberStatus, Message, State, User, dump


def user(one: User) -> JsonObject:
    return {**dump(one), "is_bot": one.is_bot}


def chat(state: State, one: Chat) -> JsonObject:
    """The short form of a chat, as it stands in messages."""
    if one.type == "private":
        person = state.users[one.id]
        names: JsonObject = {
            "first_name": person.first_name,
            "last_name": person.last_name,
            "username": person.username,
        }
    else:
        names = {"title": one.title, "username": one.username}
    flags: JsonObject = {"is_forum": True} if one.is_forum else {}
    return {"id": one.id, "type": one.type, **_given(names), **flags}


def message(state: State, one: Message, *, quoted: bool = False) -> JsonObject:
    """A message; `quoted` leaves out what a quoted message does not show again."""
    where = state.chats[one.chat_id]
    body: JsonObject = {
        "message_id": one.message_id,
        "from": user(state.users[one.from_id]) if one.from_id is not None else None,
        "sender_chat": chat(state, state.chats[one.sender_chat_id]) if one.sender_chat_id else None,
        "date": one.date,
        "edit_date": one.edit_date,
        "chat": chat(state, where),
        "message_thread_id": one.thread_id,
        "is_topic_message": True if one.thread_id and where.is_forum else None,
        "is_automatic_forward": one.automatic_forward or None,
        "has_protected_content": one.protected or None,
        "text": one.text,
        "entities": [entity(each) for each in one.entities] or None,
        "link_preview_options": one.link_preview,
        "reply_markup": keyboard(one.keyboard) if one.keyboard else None,
        **one.service,
    }
    if not quoted and one.reply_to in where.messages:
        body["reply_to_message"] = message(state, where.messages[one.reply_to], quoted=True)
    return _given(body)


def entity(one: Entity) -> JsonObject:
    return {**dump(one), **({"user": user(one.user)} if one.user else {})}


def keyboard(rows: list[list[Button]]) -> JsonObject:
    return {"inline_keyboard": [[dump(button) for button in row] for row in rows]}


def reaction(state: State, one: Message, who: User, old: list[str]) -> JsonObject:
    """MessageReactionUpdated: `who` changed `old` to what the message now has."""
    return {
        "chat": chat(state, state.chats[one.chat_id]),
        "message_id": one.message_id,
        "user": user(who),
        "date": one.date,
        "old_reaction": [{"type": "emoji", "emoji": emoji} for emoji in old],
        "new_reaction": [{"type": "emoji", "emoji": emoji} for emoji in one.reactions.get(who.id, [])],
    }


def member(one: User, status: MemberStatus) -> JsonObject:
    """ChatMember; admins of the sandbox may do what Telegram gives a new admin."""
    body: JsonObject = {"status": status, "user": user(one)}
    if status == "creator":
        return body | {"is_anonymous": False}
    if status == "administrator":
        return body | {"can_be_edited": False, "is_anonymous": False} | dict.fromkeys(_ADMIN_RIGHTS, True)
    return body | ({"until_date": 0} if status == "kicked" else {})


_ADMIN_RIGHTS = (
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_pin_messages",
)


def member_change(state: State, where: Chat, who: int, old: MemberStatus, by: int, date: int) -> JsonObject:
    """ChatMemberUpdated: `by` changed what `who` is in the chat."""
    one = state.users[who]
    return {
        "chat": chat(state, where),
        "from": user(state.users[by]),
        "date": date,
        "old_chat_member": member(one, old),
        "new_chat_member": member(one, where.members[who]),
    }


def _given(body: JsonObject) -> JsonObject:
    return {key: value for key, value in body.items() if value is not None}
