"""The Bot API's JSON of the world's things: what the bot gets to see. Pure functions over the state."""

from .attachments import attached
from .objects import Button, Chat, Entity, JsonObject, MemberStatus, Message, State, User, dump

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
    "can_send_welcome_messages",
)
_PERMISSIONS = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
)
_GIFTS = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
MAX_REACTIONS = 11


def user(one: User) -> JsonObject:
    return {**dump(one), "is_bot": one.is_bot}


def chat(state: State, one: Chat) -> JsonObject:
    """The short form of a chat, as it stands in messages."""
    names: JsonObject = {"title": one.title, "username": one.username}
    if one.type == "private":
        person = state.user(one.id)
        names = {"first_name": person.first_name, "last_name": person.last_name, "username": person.username}
    return _given({"id": one.id, "type": one.type, **names, "is_forum": one.is_forum or None})


def full_chat(state: State, one: Chat) -> JsonObject:
    """ChatFullInfo, the answer of getChat."""
    body: JsonObject = {
        "accent_color_id": abs(one.id) % 7,
        "max_reaction_count": MAX_REACTIONS,
        "accepted_gift_types": dict.fromkeys(_GIFTS, one.type == "private"),
        "linked_chat_id": one.linked_chat_id,
    }
    if one.is_group:
        body["permissions"] = dict.fromkeys(_PERMISSIONS, True)
    if one.allowed_reactions is not None:
        body["available_reactions"] = emojis(one.allowed_reactions)
    return chat(state, one) | _given(body)


def message(state: State, one: Message, *, quoted: bool = False) -> JsonObject:
    """A message; `quoted` leaves out what a quoted message does not show again."""
    where = state.chats[one.chat_id]
    body: JsonObject = {
        "message_id": one.message_id,
        "message_thread_id": one.thread_id,
        "from": user(state.user(one.from_id)) if one.from_id is not None else None,
        "sender_chat": chat(state, state.chats[one.sender_chat_id])
        if one.sender_chat_id is not None
        else None,
        "date": one.date,
        "chat": chat(state, where),
        "forward_origin": one.forward_origin,
        "via_bot": user(state.bot) if one.via_bot else None,
        "is_topic_message": True if one.thread_id and where.is_forum else None,
        "is_automatic_forward": True if one.from_id == 777000 else None,
        "edit_date": one.edit_date,
        "has_protected_content": one.protected or None,
        "media_group_id": one.media_group,
        **_words(one),
        **(attached(one.message_id, one.attachment) if one.attachment else {}),
        "link_preview_options": one.link_preview,
        "reply_markup": keyboard(one.keyboard) if one.keyboard else None,
        **one.service,
    }
    if not quoted and one.reply_to in where.messages:
        body["reply_to_message"] = message(state, where.messages[one.reply_to], quoted=True)
    return _given(body)


def _words(one: Message) -> JsonObject:
    """Text and caption go by different names, and so do their entities."""
    found = [entity(each) for each in one.entities] or None
    if one.attachment is None:
        return {"text": one.text, "entities": found}
    return {"caption": one.caption, "caption_entities": found}


def origin(state: State, one: Message) -> JsonObject:
    """MessageOrigin: who wrote a message that is passed on."""
    if one.sender_chat_id is None and one.from_id is not None:
        return {"type": "user", "date": one.date, "sender_user": user(state.user(one.from_id))}
    sender = state.chats[one.sender_chat_id or one.chat_id]
    if sender.type == "channel":
        about: JsonObject = {"type": "channel", "chat": chat(state, sender), "message_id": one.message_id}
    else:
        about = {"type": "chat", "sender_chat": chat(state, sender)}
    return about | {"date": one.date}


def entity(one: Entity) -> JsonObject:
    return {**dump(one), **({"user": user(one.user)} if one.user else {})}


def keyboard(rows: list[list[Button]]) -> JsonObject:
    return {"inline_keyboard": [[dump(button) for button in row] for row in rows]}


def emojis(some: list[str]) -> list[JsonObject]:
    """A list of ReactionType."""
    return [{"type": "emoji", "emoji": emoji} for emoji in some]


def reaction(state: State, one: Message, who: User, old: list[str], date: int) -> JsonObject:
    """MessageReactionUpdated: `who` changed `old` to what the message now has."""
    return {
        "chat": chat(state, state.chats[one.chat_id]),
        "message_id": one.message_id,
        "user": user(who),
        "date": date,
        "old_reaction": emojis(old),
        "new_reaction": emojis(one.reactions.get(who.id, [])),
    }


def member(one: User, status: MemberStatus) -> JsonObject:
    """ChatMember; admins of the sandbox may do everything."""
    body: JsonObject = {"status": status, "user": user(one)}
    if status == "creator":
        body["is_anonymous"] = False
    elif status == "administrator":
        body |= {"can_be_edited": False, "is_anonymous": False, **dict.fromkeys(_ADMIN_RIGHTS, True)}
    elif status == "kicked":
        body["until_date"] = 0
    return body


def member_change(state: State, where: Chat, who: int, old: MemberStatus, by: int, date: int) -> JsonObject:
    """ChatMemberUpdated: `by` changed what `who` is in the chat."""
    one = state.user(who)
    return {
        "chat": chat(state, where),
        "from": user(state.user(by)),
        "date": date,
        "old_chat_member": member(one, old),
        "new_chat_member": member(one, where.members[who]),
    }


def _given(body: JsonObject) -> JsonObject:
    return {key: value for key, value in body.items() if value is not None}
