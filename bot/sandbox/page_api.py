"""The page's own API: what one person sees, what happens (server-sent events), and what they do.

GET  /api/state?me=ID             everything that the person sees, and a cursor
GET  /api/events?me=ID&after=CUR  events since the cursor; `reset` when they are no longer known
GET  /api/file/ID                 what somebody sent
POST /api/say, attach, edit, press, react, delete, block, inline, choose, settings
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, TypeVar

from pydantic import Base64Bytes, BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from . import inline
from .attachments import picture_type
from .feed import Feed
from .limits import FloodControl
from .menu import menu
from .methods.reactions import REACTIONS
from .objects import SERVICE_USERS, Chat, JsonObject, Privacy, User, compact, dump, dump_all
from .people import NotPossible, Person
from .world import Event, World

SHOWN_MESSAGES = 200
HEARTBEAT_S = 15.0
INLINE_PATIENCE_S = 15.0


class Action(BaseModel):
    """What somebody does in a chat; each action reads what it needs."""

    model_config = ConfigDict(extra="forbid")

    me: int
    chat: int


class Say(Action):
    text: str
    reply_to: int | None = None
    thread: int | None = None


class Attach(Action):
    """Something that is no text: `kind` photo, document, voice, sticker (`text`: its emoji) or poll (its lines)."""

    kind: Literal["photo", "document", "voice", "sticker", "poll"]
    name: str = ""
    mime_type: str | None = None
    content: Base64Bytes = b""
    text: str = ""
    reply_to: int | None = None


class OnMessage(Action):
    message_id: int


class Edit(OnMessage):
    text: str


class Press(OnMessage):
    label: str


class React(OnMessage):
    emoji: str | None = None


class Block(Action):
    blocked: bool


class Inline(Action):
    """What stands behind the bot's name in the composer."""

    text: str


class Choose(Action):
    """One of the cards that the bot offered."""

    query: str
    result: str


class Settings(BaseModel):
    """The world's switches; what is not given stays."""

    model_config = ConfigDict(extra="forbid")

    privacy: Privacy | None = None
    limits: bool | None = None


A = TypeVar("A", bound=BaseModel)
Handler = Callable[[Request], Awaitable[Response]]


class PageApi:
    """The routes of the page's API over one world."""

    def __init__(self, world: World, feed: Feed, flood: FloodControl, *, has_hood: bool) -> None:
        self.has_hood = has_hood
        self.world = world
        self.feed = feed
        self.flood = flood
        # Numbers of a stopped sandbox must not be taken for ours.
        self._run = secrets.token_hex(4)

    def routes(self) -> list[BaseRoute]:
        actions: list[tuple[str, Handler]] = [
            ("say", _action(Say, self._say)),
            ("attach", _action(Attach, self._attach)),
            ("edit", _action(Edit, self._edit)),
            ("press", _action(Press, self._press)),
            ("react", _action(React, self._react)),
            ("delete", _action(OnMessage, self._delete)),
            ("block", _action(Block, self._block)),
            ("inline", _action(Inline, self._inline)),
            ("choose", _action(Choose, self._choose)),
            ("settings", _action(Settings, self._settings)),
        ]
        return [
            Route("/api/state", self.state, methods=["GET"]),
            Route("/api/events", self.events, methods=["GET"]),
            Route("/api/file/{id}", self.file, methods=["GET"]),
            *(Route(f"/api/{name}", handler, methods=["POST"]) for name, handler in actions),
        ]

    # --- looking -------------------------------------------------------------------------------

    async def state(self, request: Request) -> Response:
        me = self._visitor(request)
        people = self.world.people()
        chats = [chat for chat in self.world.state.chats.values() if _sees(me, chat)]
        users = [*people, self.world.bot, *SERVICE_USERS.values()]
        body: JsonObject = {
            "me": me.id,
            "bot": self.world.bot.id,
            "people": [person.id for person in people],
            "users": {str(user.id): dump(user) for user in users},
            "chats": [self._chat(chat, me) for chat in chats],
            "reactions": REACTIONS,
            "settings": {"privacy": self.world.state.privacy, "limits": self.flood.enabled},
            "hood": self.has_hood,
            "now": self.world.now,
            "cursor": self._cursor(self.feed.last),
        }
        return Response(compact(body), media_type="application/json")

    def _visitor(self, request: Request) -> User:
        asked = request.query_params.get("me", "")
        people = {str(person.id): person for person in self.world.people()}
        return people.get(asked) or next(iter(people.values()))

    def _chat(self, chat: Chat, me: User) -> JsonObject:
        shown = list(chat.messages.values())[-SHOWN_MESSAGES:]
        about = chat.model_dump(mode="json", exclude_none=True, exclude={"messages"})
        return {
            **about,
            "messages": dump_all(shown),
            "commands": dump_all(menu(self.world.state, chat, me)),
        }

    async def file(self, request: Request) -> Response:
        """Pictures are shown, everything else is only to be kept: nothing that people send may run here."""
        file = self.world.state.files.get(request.path_params["id"])
        if file is None:
            return JSONResponse({"error": "the file is not kept any more"}, 404)
        picture = picture_type(file.content)
        kept = {} if picture else {"Content-Disposition": "attachment"}
        return Response(file.content, media_type=picture or "application/octet-stream", headers=kept)

    async def events(self, request: Request) -> Response:
        me = self._visitor(request)
        cursor = request.headers.get("last-event-id") or request.query_params.get("after", "")
        return StreamingResponse(self._stream(me, cursor), media_type="text/event-stream")

    async def _stream(self, me: User, cursor: str) -> AsyncIterator[str]:
        run, _, number = cursor.partition("-")
        position = int(number) if run == self._run and number.isdigit() else -1
        yield "retry: 500\n\n"
        while not self.feed.ended.is_set():
            events = self.feed.since(position)
            if events is None:
                yield "event: reset\ndata: {}\n\n"
                return
            for number_of_event, event in events:
                position = number_of_event
                if self._concerns(me, event):
                    yield self._format(position, event)
            if not await self._anything_after(position):
                yield ": still here\n\n"

    async def _anything_after(self, position: int) -> bool:
        return bool(await self.feed.until(lambda: self.feed.last > position, HEARTBEAT_S))

    def _concerns(self, me: User, event: Event) -> bool:
        if event.kind in ("update", "inline"):
            return False
        return event.chat_id is None or _sees(me, self.world.state.chats[event.chat_id])

    def _format(self, number: int, event: Event) -> str:
        data = compact({"chat": event.chat_id, **event.data})
        return f"id: {self._cursor(number)}\nevent: {event.kind}\ndata: {data}\n\n"

    def _cursor(self, number: int) -> str:
        return f"{self._run}-{number}"

    # --- doing ---------------------------------------------------------------------------------

    async def _say(self, do: Say) -> JsonObject:
        message = await self._person(do).say(do.text, do.chat, reply_to=do.reply_to, thread=do.thread)
        return {"message_id": message.message_id}

    async def _attach(self, do: Attach) -> JsonObject:
        person = self._person(do)
        how: dict[str, Any] = {"chat": do.chat, "reply_to": do.reply_to}
        match do.kind:
            case "photo":
                await person.photo(do.content, caption=do.text, **how)
            case "document":
                await person.file(do.name, do.content, mime_type=do.mime_type, caption=do.text, **how)
            case "voice":
                await person.voice(**how)
            case "sticker":
                await person.sticker(do.text, **how)
            case "poll":
                question, *options = do.text.splitlines()
                await person.poll(question, options, **how)
        return {}

    async def _edit(self, do: Edit) -> JsonObject:
        await self._person(do).edit(do.message_id, do.text, do.chat)
        return {}

    async def _press(self, do: Press) -> JsonObject:
        return {"query": await self._person(do).press(do.message_id, do.label, do.chat)}

    async def _react(self, do: React) -> JsonObject:
        if do.emoji is not None and do.emoji not in REACTIONS:
            raise NotPossible("Telegram does not offer this reaction")
        await self._person(do).react(do.message_id, do.emoji, do.chat)
        return {}

    async def _delete(self, do: OnMessage) -> JsonObject:
        await self._person(do).delete(do.message_id, do.chat)
        return {}

    async def _block(self, do: Block) -> JsonObject:
        person = self._person(do)
        await (person.block() if do.blocked else person.unblock())
        return {}

    async def _inline(self, do: Inline) -> JsonObject:
        """The bot's cards, as soon as they are there; none if the bot says nothing."""
        query = inline.ask(self.world, self.world.user(do.me), do.text, do.chat)
        await self.feed.until(lambda: query.results is not None, INLINE_PATIENCE_S)
        return {"query": query.id, "results": dump_all(query.results or []), "button": query.button}

    async def _choose(self, do: Choose) -> JsonObject:
        message = inline.send(self.world, self.world.user(do.me), do.query, do.result, do.chat)
        return {"message_id": message.message_id}

    async def _settings(self, do: Settings) -> JsonObject:
        if do.privacy is not None:
            self.world.state.privacy = do.privacy
        if do.limits is not None:
            self.flood.enabled = do.limits
        self.world.tell("settings", None, {"privacy": self.world.state.privacy, "limits": self.flood.enabled})
        return {}

    def _person(self, do: Action) -> Person:
        return Person(self.world, self.world.user(do.me))


def _sees(me: User, chat: Chat) -> bool:
    inside = chat.members.get(me.id, "left") not in ("left", "kicked")
    return chat.id == me.id if chat.type == "private" else inside and chat.migrated_to is None


def _action(kind: type[A], do: Callable[[A], Awaitable[JsonObject]]) -> Handler:
    """A handler that reads `kind` from the request's JSON and answers in JSON."""

    async def handle(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return JSONResponse({"error": "JSON is expected"}, 415)
        try:
            return JSONResponse(await do(kind.model_validate_json(await request.body())))
        except (NotPossible, KeyError) as error:
            return JSONResponse({"error": str(error.args[0])}, 409)
        except ValidationError as error:
            return JSONResponse(
                {"error": error.errors(include_url=False, include_input=False)[0]["msg"]}, 422
            )

    return handle
