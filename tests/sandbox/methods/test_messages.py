"""sendMessage, edits, deletes and chat actions, refused in Telegram's words."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, MessageEntity, ReplyParameters
from telegram.error import ChatMigrated, Forbidden, RetryAfter

from bot.sandbox import groups
from bot.sandbox.people import Person
from bot.sandbox.server import Running

Refused = Callable[..., AbstractContextManager[None]]

ANN = 1001
NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)


def keyboard(**button: str) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton("Go", **button)]])


async def test_a_message_comes_back_as_it_is_shown(bot: Bot, ann: Person) -> None:
    await ann.say("question")
    sent = await bot.send_message(
        ANN,
        "  answer\r\n",
        reply_to_message_id=1,
        disable_notification=True,
        reply_markup=keyboard(callback_data="x"),
    )
    shown = ann.messages()[-1]
    assert sent.text == shown.text == "answer"
    assert sent.reply_to_message is not None
    assert sent.reply_to_message.text == "question"
    assert sent.from_user is not None
    assert sent.from_user.username == "tandem_bot"
    assert shown.silent
    assert shown.keyboard[0][0].callback_data == "x"


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", "message text is empty"),
        (" \n\u200e", "text must be non-empty"),
        ("字" * 4097, "message is too long"),
        ("a" * 40_000, "text is too long"),
    ],
)
async def test_texts_that_telegram_refuses(
    bot: Bot, ann: Person, text: str, refusal: str, refused: Refused
) -> None:
    with refused(f"Bad Request: {refusal}"):
        await bot.send_message(ANN, text)
    assert ann.messages() == []


async def test_code_points_count_and_not_utf16_units(bot: Bot) -> None:
    assert (await bot.send_message(ANN, "😀" * 4096)).text == "😀" * 4096


async def test_entities_count_utf16_units(bot: Bot, ann: Person, refused: Refused) -> None:
    bold = MessageEntity("bold", 3, 2)
    sent = await bot.send_message(ANN, "😀 hi", entities=[bold])
    assert sent.parse_entity(sent.entities[0]) == "hi"
    with refused("Bad Request: entity begins in a middle of a UTF-16 symbol at byte offset 4"):
        await bot.send_message(ANN, "😀 hi", entities=[MessageEntity("bold", 1, 2)])
    with refused(
        "Bad Request: entity beginning at UTF-16 offset 3 ends after the end of the text at UTF-16 offset 9"
    ):
        await bot.send_message(ANN, "😀 hi", entities=[MessageEntity("bold", 3, 6)])


async def test_parse_mode_errors_are_telegrams(bot: Bot, refused: Refused) -> None:
    with refused(
        "Bad Request: can't parse entities: Character '!' is reserved and must be escaped with the preceding '\\'"
    ):
        await bot.send_message(ANN, "hi!", parse_mode="MarkdownV2")
    sent = await bot.send_message(ANN, "<b>hi</b> &amp; bye", parse_mode="HTML")
    assert sent.text == "hi & bye"


async def test_chats_that_cannot_be_written_to(
    bot: Bot, ann: Person, running: Running, refused: Refused
) -> None:
    with refused("Bad Request: chat not found"):
        await bot.send_message(42, "hi")
    await ann.block()
    with refused("Forbidden: bot was blocked by the user", Forbidden):
        await bot.send_message(ANN, "hi")
    await ann.unblock()
    await bot.send_message(ANN, "hi")
    team = running.world.chat("Team")
    groups.remove_member(running.world, team, running.world.bot.id, by=ann.user.id)
    with refused("Forbidden: bot was kicked from the supergroup chat", Forbidden):
        await bot.send_message(team.id, "hi")


async def test_a_migrated_group_names_its_successor(bot: Bot, ann: Person, running: Running) -> None:
    old = running.world.create_chat("Club", [ann.user.id], "group")
    new = groups.migrate(running.world, old, by=ann.user.id)
    with pytest.raises(ChatMigrated) as refusal:
        await bot.send_message(old.id, "hi")
    assert refusal.value.new_chat_id == new.id
    updates = await bot.get_updates()
    assert [update.message.migrate_to_chat_id for update in updates if update.message] == [new.id, None]


async def test_replies_to_what_is_not_there(bot: Bot, refused: Refused) -> None:
    with refused("Bad Request: message to be replied not found"):
        await bot.send_message(ANN, "hi", reply_to_message_id=99)
    lenient = ReplyParameters(99, allow_sending_without_reply=True)
    assert (await bot.send_message(ANN, "hi", reply_parameters=lenient)).reply_to_message is None


async def test_topics(bot: Bot, ann: Person, running: Running, refused: Refused) -> None:
    team = running.world.chat("Team")
    thread = groups.create_topic(running.world, team, "Lunch", by=ann.user.id)
    sent = await bot.send_message(team.id, "noodles", message_thread_id=thread)
    assert (sent.message_thread_id, sent.is_topic_message) == (thread, True)
    with refused("Bad Request: message thread not found"):
        await bot.send_message(team.id, "noodles", message_thread_id=1)
    await bot.send_chat_action(team.id, "typing", message_thread_id=1)


@pytest.mark.parametrize(
    ("button", "refusal"),
    [
        ({"callback_data": "字" * 22}, "BUTTON_DATA_INVALID"),
        ({}, "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"),
        (
            {"url": "javascript:alert(1)"},
            "inline keyboard button URL 'javascript:alert(1)' is invalid: Wrong HTTP URL",
        ),
    ],
)
async def test_buttons_that_telegram_refuses(
    bot: Bot, button: dict[str, str], refusal: str, refused: Refused
) -> None:
    with refused(f"Bad Request: {refusal}"):
        await bot.send_message(ANN, "hi", reply_markup=keyboard(**button))


async def test_an_edit_changes_the_message_in_place(bot: Bot, ann: Person) -> None:
    sent = await bot.send_message(ANN, "…", reply_markup=keyboard(callback_data="stop"))
    edited = await bot.edit_message_text("answer", chat_id=ANN, message_id=sent.message_id)
    assert not isinstance(edited, bool)
    assert edited.edit_date is not None
    assert [message.text for message in ann.messages()] == ["answer"]
    assert ann.messages()[0].keyboard == [], "an edit without markup takes the buttons away"


async def test_an_edit_that_changes_nothing(bot: Bot, refused: Refused) -> None:
    sent = await bot.send_message(ANN, "same")
    with refused(NOT_MODIFIED):
        await bot.edit_message_text("same ", chat_id=ANN, message_id=sent.message_id)
    with refused(NOT_MODIFIED):
        await bot.edit_message_reply_markup(chat_id=ANN, message_id=sent.message_id)


async def test_edits_of_what_is_not_ours(bot: Bot, ann: Person, refused: Refused) -> None:
    await ann.say("mine")
    with refused("Bad Request: message can't be edited"):
        await bot.edit_message_text("yours", chat_id=ANN, message_id=1)
    with refused("Bad Request: MESSAGE_TOO_LONG"):
        sent = await bot.send_message(ANN, "…")
        await bot.edit_message_text("字" * 4097, chat_id=ANN, message_id=sent.message_id)
    with refused("Bad Request: message to edit not found"):
        await bot.edit_message_text("yours", chat_id=ANN, message_id=9)


async def test_deletes(bot: Bot, ann: Person, clock: Any, refused: Refused) -> None:
    await ann.say("mine")
    assert await bot.delete_message(ANN, 1)
    assert ann.messages() == []
    with refused("Bad Request: message to delete not found"):
        await bot.delete_message(ANN, 1)
    await ann.say("mine", chat="Team")
    with refused("Bad Request: message can't be deleted"):
        await bot.delete_message(ann.world.chat("Team").id, 1)
    sent = await bot.send_message(ANN, "old")
    clock.advance(49 * 3600)
    with refused("Bad Request: message can't be deleted for everyone"):
        await bot.delete_message(ANN, sent.message_id)


async def test_a_chat_action_is_told(bot: Bot, running: Running, refused: Refused) -> None:
    heard: list[tuple[str, object]] = []
    running.world.listeners.append(lambda event: heard.append((event.kind, event.data.get("action"))))
    await bot.send_chat_action(ANN, "typing")
    assert ("action", "typing") in heard
    with refused("Bad Request: wrong parameter action in request"):
        await bot.send_chat_action(ANN, "dancing")


async def test_sends_edits_and_actions_share_one_budget(bot: Bot, running: Running) -> None:
    running.sandbox.flood.enabled = True
    sent = await bot.send_message(ANN, "1")
    await bot.edit_message_text("2", chat_id=ANN, message_id=sent.message_id)
    await bot.send_chat_action(ANN, "typing")
    with pytest.raises(RetryAfter) as refusal:
        await bot.delete_message(ANN, sent.message_id)
    assert refusal.value.retry_after.total_seconds() == 1  # type: ignore[union-attr]


async def test_a_text_mention_names_a_known_user(bot: Bot, ann: Person) -> None:
    sent = await bot.send_message(
        ANN, f'<a href="tg://user?id={ANN}">you</a> <a href="tg://user?id=5">?</a>', "HTML"
    )
    assert [entity.user.first_name for entity in sent.entities if entity.user] == ["Ann"]
