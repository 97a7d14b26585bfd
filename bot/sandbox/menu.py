"""Which of the bot's command lists somebody sees in a chat, by the Bot API's order of scopes. Pure."""

from collections.abc import Iterator

from .objects import Chat, Command, Scope, State, User


def menu(state: State, chat: Chat, person: User) -> list[Command]:
    """The first list that fits, the most special scope first, each in the person's language first."""
    lists = {(each.scope.model_dump_json(), each.language_code): each.commands for each in state.commands}
    language = (person.language_code or "")[:2]
    for scope in _scopes(chat, person):
        for code in (language, ""):
            if commands := lists.get((scope.model_dump_json(), code)):
                return commands
    return []


def _scopes(chat: Chat, person: User) -> Iterator[Scope]:
    if chat.is_group:
        admin = chat.members.get(person.id) in ("creator", "administrator")
        yield Scope(type="chat_member", chat_id=chat.id, user_id=person.id)
        if admin:
            yield Scope(type="chat_administrators", chat_id=chat.id)
        yield Scope(type="chat", chat_id=chat.id)
        if admin:
            yield Scope(type="all_chat_administrators")
        yield Scope(type="all_group_chats")
    else:
        yield Scope(type="chat", chat_id=chat.id)
        yield Scope(type="all_private_chats")
    yield Scope(type="default")
