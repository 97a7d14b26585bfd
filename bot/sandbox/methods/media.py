"""Pictures and files: sendPhoto, sendDocument, getFile and what lies behind its path."""

import secrets
from typing import Annotated

from pydantic import BeforeValidator

from bot.sandbox.attachments import picture_size, unique_id
from bot.sandbox.errors import NOT_FOUND, UNAUTHORIZED, bad_request
from bot.sandbox.objects import Attachment, Entity, File, JsonObject
from bot.sandbox.params import Decoded, Params, Upload

from .registry import Api, method
from .sending import SendParams, post, written

MAX_CAPTION = 1024
MAX_PHOTO_BYTES, MAX_UPLOAD_BYTES, MAX_DOWNLOAD_BYTES = 10 << 20, 50 << 20, 20 << 20
# Of a photo: width and height together, and how much the longer may exceed the shorter.
MAX_SIDES, MAX_RATIO = 10_000, 20


def _given(value: object) -> object:
    return value or None


Sent = Annotated[Upload | str | None, BeforeValidator(_given)]


class SendMedia(SendParams):
    caption: str = ""
    caption_entities: Annotated[list[Entity] | None, Decoded] = None
    parse_mode: str = ""


class SendPhoto(SendMedia):
    photo: Sent = None


class SendDocument(SendMedia):
    document: Sent = None


@method("sendPhoto", SendPhoto)
def send_photo(api: Api, p: SendPhoto) -> JsonObject:
    file = _file(api, p.photo, "photo", MAX_PHOTO_BYTES)
    size = picture_size(file.content)
    if size is None:
        raise bad_request("IMAGE_PROCESS_FAILED")
    if sum(size) > MAX_SIDES or max(size) > MAX_RATIO * min(size):
        raise bad_request("PHOTO_INVALID_DIMENSIONS")
    photo = Attachment(kind="photo", file=file.id, width=size[0], height=size[1], size=len(file.content))
    return _send(api, p, photo)


@method("sendDocument", SendDocument)
def send_document(api: Api, p: SendDocument) -> JsonObject:
    file = _file(api, p.document, "document", MAX_UPLOAD_BYTES)
    about = {"name": file.name, "mime_type": file.mime_type, "size": len(file.content)}
    return _send(api, p, Attachment(kind="document", file=file.id, **about))


def _send(api: Api, p: SendMedia, attachment: Attachment) -> JsonObject:
    caption, found = written(api, p.caption, p.parse_mode, p.caption_entities)
    return post(api, p, MAX_CAPTION, caption=caption or None, entities=found, attachment=attachment)


def _file(api: Api, sent: Upload | str | None, kind: str, limit: int) -> File:
    """What was uploaded, or what has been sent before. The sandbox fetches nothing from the web."""
    if sent is None:
        raise bad_request(f"there is no {kind} in the request")
    if isinstance(sent, str):
        if sent not in api.world.state.files:
            raise bad_request("wrong file identifier/HTTP URL specified")
        return api.world.state.files[sent]
    if not sent.content:
        raise bad_request("file must be non-empty")
    if len(sent.content) > limit:
        raise bad_request(f"file of size {len(sent.content)} bytes is too big for a {kind}")
    return api.world.add_file(sent.content, sent.name, sent.mime_type)


class GetFile(Params):
    file_id: str = ""


@method("getFile", GetFile)
def get_file(api: Api, p: GetFile) -> JsonObject:
    file = api.world.state.files.get(p.file_id)
    if file is None:
        raise bad_request("wrong file_id or the file is temporarily unavailable")
    if len(file.content) > MAX_DOWNLOAD_BYTES:
        raise bad_request("file is too big")
    return {
        "file_id": file.id,
        "file_unique_id": unique_id(file.id),
        "file_size": len(file.content),
        "file_path": f"documents/{file.id}",
    }


def download(api: Api, token: str, path: str) -> File:
    """What `/file/bot<token>/<path>` holds."""
    if not secrets.compare_digest(token.encode(), api.world.state.token.encode()):
        raise UNAUTHORIZED
    file = api.world.state.files.get(path.removeprefix("documents/"))
    if file is None:
        raise NOT_FOUND
    return file
