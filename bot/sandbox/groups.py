"""What happens to groups and channels: people come and go, topics, migration, posts, linked channels.

Each function changes the world as Telegram would and lets the bot have the updates that it would get.
"""

from . import entities, wire
from .objects import LINKED_CHANNEL, Chat, Message
from .world import World

TOPIC_COLOUR = 0x6FB9F0
GENERAL_TOPIC = 1


def add_member(world: World, chat: Chat, who: int, *, by: int) -> None:
    """Bring a person or the bot into a group."""
    world.set_member(chat, who, "member", by=by)
    members = [wire.user(world.user(who))]
    _service(world, chat, by, {"new_chat_members": members})


def remove_member(world: World, chat: Chat, who: int, *, by: int) -> None:
    """Throw somebody out, or let them leave when `by` is the same. The bot still hears that it went."""
    status = "left" if who == by else "kicked"
    _service(world, chat, by, {"left_chat_member": wire.user(world.user(who))})
    world.set_member(chat, who, "left" if status == "left" else "kicked", by=by)


def create_topic(world: World, chat: Chat, name: str, *, by: int) -> int:
    """A new topic of a forum; returns its message_thread_id."""
    chat.is_forum = True
    chat.next_message_id = max(chat.next_message_id, GENERAL_TOPIC + 1)
    message = _service(
        world, chat, by, {"forum_topic_created": {"name": name, "icon_color": TOPIC_COLOUR}}, own_thread=True
    )
    chat.topics[message.message_id] = name
    return message.message_id


def migrate(world: World, chat: Chat, *, by: int) -> Chat:
    """Make a supergroup of a basic group; calls to the old id now answer with the new one."""
    new = world.create_chat(chat.title or "", list(chat.members), "supergroup")
    new.members = dict(chat.members)
    _service(world, chat, by, {"migrate_to_chat_id": new.id})
    chat.migrated_to = new.id
    _service(world, new, by, {"migrate_from_chat_id": chat.id})
    return new


def post(world: World, channel: Chat, text: str) -> Message:
    """A post of a channel; it also appears in the channel's linked group."""
    body, found = entities.normalise(text, [])
    message = world.add_message(channel, sender_chat_id=channel.id, text=body, entities=found)
    world.deliver("channel_post", message)
    if channel.linked_chat_id is not None:
        _forward(world, channel, message, world.state.chats[channel.linked_chat_id])
    return message


def _forward(world: World, channel: Chat, message: Message, group: Chat) -> None:
    forwarded = world.add_message(
        group,
        from_id=LINKED_CHANNEL.id,
        sender_chat_id=channel.id,
        forward_origin=wire.origin(world.state, message),
        text=message.text,
        entities=message.entities,
    )
    world.deliver("message", forwarded)


def _service(
    world: World, chat: Chat, by: int, what: dict[str, object], *, own_thread: bool = False
) -> Message:
    thread = chat.next_message_id if own_thread else None
    message = world.add_message(chat, from_id=by, service=what, thread_id=thread)
    world.deliver("message", message)
    return message
