"""The bot's menu: setMyCommands, getMyCommands, deleteMyCommands."""

from typing import Annotated

from bot.sandbox.objects import Command, CommandList, JsonObject, Scope, dump_all
from bot.sandbox.params import Decoded, Params

from .registry import Api, method


class ForWhom(Params):
    scope: Annotated[Scope | None, Decoded] = None
    language_code: str = ""


class SetMyCommands(ForWhom):
    commands: Annotated[list[Command], Decoded]


@method("setMyCommands", SetMyCommands)
def set_my_commands(api: Api, p: SetMyCommands) -> bool:
    _replace(api, p, p.commands)
    return True


@method("deleteMyCommands", ForWhom)
def delete_my_commands(api: Api, p: ForWhom) -> bool:
    _replace(api, p, [])
    return True


@method("getMyCommands", ForWhom)
def get_my_commands(api: Api, p: ForWhom) -> list[JsonObject]:
    lists = (each for each in api.world.state.commands if _same(each, p))
    return dump_all(next((each.commands for each in lists), []))


def _replace(api: Api, p: ForWhom, commands: list[Command]) -> None:
    others = [each for each in api.world.state.commands if not _same(each, p)]
    new = CommandList(scope=p.scope or Scope(), language_code=p.language_code, commands=commands)
    api.world.state.commands = [*others, new] if commands else others
    api.world.tell("commands", None, {})


def _same(each: CommandList, p: ForWhom) -> bool:
    return (each.scope, each.language_code) == (p.scope or Scope(), p.language_code)
