"""How the bot gets its updates: getMe, getUpdates, deleteWebhook, getWebhookInfo.

setWebhook is not offered yet; `State.webhook_url` is where it will leave its mark.
"""

from collections.abc import Awaitable
from typing import Annotated

from bot.sandbox import wire
from bot.sandbox.errors import conflict
from bot.sandbox.objects import JsonObject
from bot.sandbox.params import Decoded, Flag, Params

from .registry import Api, method

MAX_WAIT_S = 50
WEBHOOK_ACTIVE = (
    "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
KINDS = frozenset(
    {
        "message",
        "edited_message",
        "channel_post",
        "edited_channel_post",
        "inline_query",
        "chosen_inline_result",
        "callback_query",
        "my_chat_member",
        "chat_member",
        "message_reaction",
        "message_reaction_count",
    }
)


@method("getMe", Params)
def get_me(api: Api, _: Params) -> JsonObject:
    return wire.user(api.world.bot) | {
        "can_join_groups": True,
        "can_read_all_group_messages": api.world.state.privacy == "off",
        "supports_inline_queries": api.world.state.inline,
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
    if api.world.state.webhook_url:
        raise conflict(WEBHOOK_ACTIVE)
    if p.allowed_updates is not None:
        # A list without any known kind stands for the default, as an empty one does.
        api.world.state.allowed_updates = sorted(KINDS.intersection(map(str.lower, p.allowed_updates)))
    limit = p.limit if 1 <= p.limit <= 100 else 100
    return api.polling.get(p.offset, limit, min(max(p.timeout, 0), MAX_WAIT_S))


class DeleteWebhook(Params):
    drop_pending_updates: Flag = False


@method("deleteWebhook", DeleteWebhook)
def delete_webhook(api: Api, p: DeleteWebhook) -> bool:
    api.world.state.webhook_url = ""
    if p.drop_pending_updates:
        api.world.state.pending = []
    return True


@method("getWebhookInfo", Params)
def get_webhook_info(api: Api, _: Params) -> JsonObject:
    state = api.world.state
    body: JsonObject = {
        "url": state.webhook_url,
        "has_custom_certificate": False,
        "pending_update_count": len(state.pending),
    }
    return body | ({"allowed_updates": state.allowed_updates} if state.allowed_updates else {})
