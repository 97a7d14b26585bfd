"""Params: what the bot sent with a call, read as leniently and refused as exactly as Telegram does.

Knows HTTP's ways of sending values (query, form, multipart, JSON) and nothing of the world.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import Annotated, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from .errors import bad_request

Raw = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with the call."""

    name: str
    mime_type: str
    content: bytes


UNREADABLE = {
    "reply_markup": "can't parse reply keyboard markup JSON object",
    "reply_parameters": "can't parse reply parameters JSON object",
    "link_preview_options": "can't parse link preview options JSON object",
    "allowed_updates": "can't parse allowed updates JSON object",
    "commands": "can't parse commands JSON object",
    "scope": "can't parse BotCommandScope JSON object",
    "reaction": "can't parse reaction types JSON object",
    "chat_id": "chat_id is empty",
}


def _decoded(value: object) -> object:
    """Nested values come as JSON text in forms and as they are in JSON bodies."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if value else None


def _truth(value: object) -> object:
    return value.lower() in ("true", "yes", "1") if isinstance(value, str) else value


def _chat_name(value: object) -> object:
    text = str(value).strip()
    return int(text) if text.lstrip("-").isdigit() else text


Decoded = BeforeValidator(_decoded)
Flag = Annotated[bool, BeforeValidator(_truth)]
ChatName = Annotated[int | str, BeforeValidator(_chat_name)]


class Params(BaseModel):
    """Parameters of one method. Unknown ones are ignored, as Telegram does."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, arbitrary_types_allowed=True)


P = TypeVar("P", bound=Params)


def parse(kind: type[P], raw: Raw) -> P:
    """Raises ApiError 400 in Telegram's words for the first value that cannot be read."""
    try:
        return kind.model_validate(dict(raw))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        name = str(problem["loc"][0]) if problem["loc"] else ""
        raise bad_request(UNREADABLE.get(name, f"invalid {name} specified")) from None


def read_body(body: bytes, content_type: str) -> dict[str, object]:
    """The values of a request body. Raises ApiError 400 for one that is not what it says."""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            values = json.loads(body or b"{}")
        elif kind == "multipart/form-data":
            values = _with_attached(dict(_parts(body, content_type)))
        else:
            values = read_query(body.decode())
    except (ValueError, UnicodeDecodeError):
        raise bad_request("can't parse request body") from None
    if not isinstance(values, dict):
        raise bad_request("request body must be an object")
    return values


def read_query(query: str) -> dict[str, object]:
    return dict(parse_qsl(query, keep_blank_values=True))


def _with_attached(values: dict[str, object]) -> dict[str, object]:
    """`attach://name` stands for the file of that name."""
    prefix = "attach://"
    return {
        key: values.get(value.removeprefix(prefix), value)
        if isinstance(value, str) and value.startswith(prefix)
        else value
        for key, value in values.items()
    }


def _parts(body: bytes, content_type: str) -> list[tuple[str, object]]:
    """Form fields as text, files as Upload."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    form = BytesParser(policy=HTTP).parsebytes(head + body)
    parts: list[tuple[str, object]] = []
    for part in form.iter_parts():
        content = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        data = content if isinstance(content, bytes) else b""
        file_name = part.get_filename()
        value = Upload(file_name, part.get_content_type(), data) if file_name else data.decode()
        parts.append((str(name), value))
    return parts
