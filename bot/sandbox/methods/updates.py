"""How the bot gets its updates: getMe, getUpdates, the webhook's methods."""

from collections.abc import Awaitable
from typing import Annotated

from bot.sandbox import wire
from bot.sandbox.objects import JsonObject
from bot.sandbox.params import Decoded, Flag, Params

from .registry import Api, method

MAX_WAIT_S = 50


@method("getMe", Params)
def get_me(api: Api, _: Params) -> JsonObject:
    return wire.user(api.world.bot) | {
        "can_join_groups": True,
        "can_read_all_group_messages": api.world.state.privacy == "off",
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


class GetUpdates(Params):
    offset: int = 0
    limit: int = 100
    timeout: int = 0
    allowed_updates: Annotated[list[str] | None, Decoded] = None


@method("getUpdates", GetUpdates)
def get_updates(api: Api, p: GetUpdates) -> Awaitable[list[JsonObject]]:
    if p.allowed_updates is not None:
        api.world.state.allowed_updates = p.allowed_updates
    timeout = min(max(p.timeout, 0), MAX_WAIT_S)
    return api.polling.get(p.offset, min(max(p.limit, 1), 100), timeout)


class DeleteWebhook(Params):
    drop_pending_updates: Flag = False


@method("deleteWebhook", DeleteWebhook)
def delete_webhook(api: Api, p: DeleteWebhook) -> bool:
    if p.drop_pending_updates:
        api.world.state.pending = []
    return True


@method("getWebhookInfo", Params)
def get_webhook_info(api: Api, _: Params) -> JsonObject:
    pending = len(api.world.state.pending)
    body: JsonObject = {"url": "", "has_custom_certificate": False, "pending_update_count": pending}
    allowed = api.world.state.allowed_updates
    return body | ({"allowed_updates": allowed} if allowed else {})
