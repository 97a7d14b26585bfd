"""The bot's menu and name: setMyCommands, getMyCommands, deleteMyCommands, getMyName."""

import re
from typing import Annotated

from bot.sandbox.errors import bad_request
from bot.sandbox.objects import Command, CommandList, JsonObject, Scope, dump_all
from bot.sandbox.params import Decoded, Params

from .registry import Api, method

MAX_COMMANDS = 100
_NAME = re.compile(r"[a-z0-9_]{1,32}")
_LANGUAGE = re.compile(r"[a-z]{2}")
_SCOPES = {
    "default": (),
    "all_private_chats": (),
    "all_group_chats": (),
    "all_chat_administrators": (),
    "chat": ("chat_id",),
    "chat_administrators": ("chat_id",),
    "chat_member": ("chat_id", "user_id"),
}


class ForWhom(Params):
    scope: Annotated[Scope | None, Decoded] = None
    language_code: str = ""


class SetMyCommands(ForWhom):
    commands: Annotated[list[Command] | None, Decoded] = None


@method("setMyCommands", SetMyCommands)
def set_my_commands(api: Api, p: SetMyCommands) -> bool:
    commands = [_checked(command) for command in p.commands or []]
    if len(commands) > MAX_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    _replace(api, p, commands)
    return True


@method("deleteMyCommands", ForWhom)
def delete_my_commands(api: Api, p: ForWhom) -> bool:
    _replace(api, p, [])
    return True


@method("getMyCommands", ForWhom)
def get_my_commands(api: Api, p: ForWhom) -> list[JsonObject]:
    _check_scope(api, p)
    lists = (each for each in api.world.state.commands if _same(each, p))
    return dump_all(next((each.commands for each in lists), []))


@method("getMyName", ForWhom)
def get_my_name(api: Api, _: ForWhom) -> JsonObject:
    return {"name": api.world.bot.first_name}


def _checked(command: Command) -> Command:
    name = command.command.removeprefix("/")
    if not _NAME.fullmatch(name):
        raise bad_request("BOT_COMMAND_INVALID")
    if not 1 <= len(command.description.strip()) <= 256:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return Command(command=name, description=command.description.strip())


def _check_scope(api: Api, p: ForWhom) -> None:
    scope = p.scope or Scope()
    if scope.type not in _SCOPES:
        raise bad_request("can't parse BotCommandScope: Unsupported type specified")
    if "chat_id" in _SCOPES[scope.type]:
        api.chat(scope.chat_id)
    if p.language_code and not _LANGUAGE.fullmatch(p.language_code):
        raise bad_request("invalid language code specified")


def _replace(api: Api, p: ForWhom, commands: list[Command]) -> None:
    _check_scope(api, p)
    others = [each for each in api.world.state.commands if not _same(each, p)]
    new = CommandList(scope=p.scope or Scope(), language_code=p.language_code, commands=commands)
    api.world.state.commands = [*others, new] if commands else others
    api.world.tell("commands", None, {})


def _same(each: CommandList, p: ForWhom) -> bool:
    return (each.scope, each.language_code) == (p.scope or Scope(), p.language_code)
