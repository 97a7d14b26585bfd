"""Whose message it is, and whether it was meant for the bot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram import Message, Update, User

from bot.conversation import ConversationKey
from bot.transport.triggers import addressed_text, conversation_key, is_control

ME = User(id=42, is_bot=True, first_name="Tandem", username="TandemBot")
ANN = {"id": 7, "is_bot": False, "first_name": "Ann"}
PRIVATE = {"id": 7, "type": "private", "first_name": "Ann"}
GROUP = {"id": -100, "type": "supergroup", "title": "Team"}
BOT = {"id": 42, "is_bot": True, "first_name": "Tandem", "username": "TandemBot"}


def raw_message(chat: dict, text: str = "hi", **fields: object) -> dict:
    return {"message_id": 1, "date": 1, "chat": chat, "from": ANN, "text": text} | fields


def update(**fields: object) -> Update:
    parsed = Update.de_json({"update_id": 1, **fields}, None)
    assert parsed is not None
    return parsed


def message(chat: dict, text: str = "hi", **fields: object) -> Message:
    parsed = update(message=raw_message(chat, text, **fields)).message
    assert parsed is not None
    return parsed


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def entity(kind: str, text: str, part: str, **fields: object) -> dict:
    return {"type": kind, "offset": units(text[: text.index(part)]), "length": units(part), **fields}


def mentioning(text: str, name: str = "@TandemBot", kind: str = "mention", **fields: object) -> Message:
    return message(GROUP, text, entities=[entity(kind, text, name, **fields)])


class TestConversationKey:
    def test_one_user_in_one_chat(self) -> None:
        assert conversation_key(update(message=raw_message(GROUP))) == ConversationKey(-100, 0, 7)

    def test_edits_and_buttons_belong_to_the_same_conversation(self) -> None:
        edited = raw_message(GROUP, edit_date=2)
        pressed = {
            "id": "q",
            "from": ANN,
            "chat_instance": "c",
            "data": "d",
            "message": raw_message(GROUP) | {"from": BOT},
        }
        assert conversation_key(update(edited_message=edited)) == ConversationKey(-100, 0, 7)
        assert conversation_key(update(callback_query=pressed)) == ConversationKey(-100, 0, 7)

    def test_a_button_of_a_message_that_is_too_old(self) -> None:
        gone = {"message_id": 1, "date": 0, "chat": GROUP}
        pressed = {"id": "q", "from": ANN, "chat_instance": "c", "data": "d", "message": gone}
        assert conversation_key(update(callback_query=pressed)) == ConversationKey(-100, 0, 7)

    @pytest.mark.parametrize(
        ("fields", "thread"),
        [
            ({"message_thread_id": 5, "is_topic_message": True}, 5),
            ({"message_thread_id": 1, "is_topic_message": True}, 0),  # the General topic
            ({"message_thread_id": 5}, 0),  # a chain of replies in a group without topics
        ],
    )
    def test_topics_are_apart(self, fields: dict, thread: int) -> None:
        assert conversation_key(update(message=raw_message(GROUP, **fields))) == ConversationKey(
            -100, thread, 7
        )

    @pytest.mark.parametrize("shared_user", [1087968824, 136817688, 777000])
    def test_shared_senders_are_told_apart_by_their_chat(self, shared_user: int) -> None:
        sender = {"id": shared_user, "is_bot": shared_user != 777000, "first_name": "shared"}
        spoken = raw_message(GROUP) | {
            "from": sender,
            "sender_chat": {"id": -555, "type": "channel", "title": "c"},
        }
        assert conversation_key(update(message=spoken)) == ConversationKey(-100, 0, -555)

    def test_channel_posts_and_memberships_belong_to_nobody(self) -> None:
        post = {
            "message_id": 1,
            "date": 1,
            "chat": {"id": -9, "type": "channel", "title": "c"},
            "text": "news",
        }
        assert conversation_key(update(channel_post=post)) is None
        left = {"user": BOT, "status": "left"}
        joined = {"user": BOT, "status": "member"}
        change = {"chat": GROUP, "from": ANN, "date": 1, "old_chat_member": left, "new_chat_member": joined}
        assert conversation_key(update(my_chat_member=change)) is None
        assert conversation_key(update()) is None


class TestControl:
    @pytest.mark.parametrize("text", ["/stop", "/stop@TandemBot", "/STOP now"])
    def test_stop_passes_the_queue(self, text: str) -> None:
        command = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}]
        assert is_control(update(message=raw_message(PRIVATE, text, entities=command)))

    @pytest.mark.parametrize("text", ["stop", "/stopwatch", "/new", "please /stop"])
    def test_other_messages_wait_their_turn(self, text: str) -> None:
        found = [entity("bot_command", text, word) for word in text.split() if word.startswith("/")]
        assert not is_control(update(message=raw_message(PRIVATE, text, entities=found)))

    def test_buttons_and_edits_pass_the_queue(self) -> None:
        assert is_control(update(edited_message=raw_message(PRIVATE, edit_date=2)))
        assert is_control(update(callback_query={"id": "q", "from": ANN, "chat_instance": "c", "data": "d"}))


class TestAddressed:
    def test_everything_in_private(self) -> None:
        assert addressed_text(message(PRIVATE, "  hello @x "), ME) == "  hello @x "

    def test_nothing_else_in_a_group(self) -> None:
        assert addressed_text(message(GROUP, "hello TandemBot"), ME) is None

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("@TandemBot hello", "hello"),
            ("@TandemBot: hello", "hello"),
            ("@TandemBot，你好", "你好"),
            ("hello @TandemBot", "hello"),
            ("tell @TandemBot me", "tell me"),
            ("well @TandemBot, go", "well, go"),
            ("😀👩‍👩‍👧 @TandemBot 汉字", "😀👩‍👩‍👧 汉字"),
            ("一\n@TandemBot\n二", "一\n\n二"),
            ("@TandemBot", ""),
        ],
    )
    def test_a_mention_is_taken_out_tidily(self, text: str, said: str) -> None:
        assert addressed_text(mentioning(text), ME) == said

    def test_capital_letters_make_no_difference(self) -> None:
        assert addressed_text(mentioning("@TANDEMbot hi", "@TANDEMbot"), ME) == "hi"

    def test_a_name_that_only_begins_alike_is_somebody_else(self) -> None:
        assert addressed_text(mentioning("@TandemBot2 hi", "@TandemBot2"), ME) is None

    def test_a_mention_by_link(self) -> None:
        assert addressed_text(mentioning("Tandem hi", "Tandem", "text_mention", user=BOT), ME) == "hi"
        assert addressed_text(mentioning("Ann hi", "Ann", "text_mention", user=ANN), ME) is None

    def test_two_mentions(self) -> None:
        text = "@TandemBot hi @TandemBot"
        found = [{"type": "mention", "offset": at, "length": 10} for at in (0, 14)]
        assert addressed_text(message(GROUP, text, entities=found), ME) == "hi"

    def test_captions_count_as_text(self) -> None:
        caption = "@TandemBot what is it"
        photo = [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}]
        shown = message(
            GROUP,
            "",
            photo=photo,
            caption=caption,
            caption_entities=[entity("mention", caption, "@TandemBot")],
        )
        assert addressed_text(shown, ME) == "what is it"

    def test_a_reply_to_the_bot(self) -> None:
        answer = raw_message(GROUP, "answer") | {"from": BOT}
        assert addressed_text(message(GROUP, "why?", reply_to_message=answer), ME) == "why?"
        assert addressed_text(message(GROUP, "why?", reply_to_message=raw_message(GROUP)), ME) is None

    def test_a_topic_that_the_bot_opened_is_no_reply_to_it(self) -> None:
        opened = raw_message(GROUP) | {"from": BOT, "forum_topic_created": {"name": "t", "icon_color": 1}}
        assert addressed_text(message(GROUP, "hi all", reply_to_message=opened), ME) is None

    @pytest.mark.parametrize("chat", [PRIVATE, GROUP])
    def test_commands_for_another_bot_are_not_ours(self, chat: dict) -> None:
        command = [{"type": "bot_command", "offset": 0, "length": 14}]
        answer = raw_message(chat, "answer") | {"from": BOT}
        other = message(chat, "/help@OtherBot", entities=command, reply_to_message=answer)
        assert addressed_text(other, ME) is None

    def test_other_bots_are_not_answered(self) -> None:
        other = {"id": 99, "is_bot": True, "first_name": "Other", "username": "OtherBot"}
        assert addressed_text(message(PRIVATE, "hi"), ME) == "hi"
        chatter = update(message=raw_message(PRIVATE) | {"from": other}).message
        assert chatter is not None
        assert addressed_text(chatter, ME) is None

    def test_what_was_sent_through_the_bot_is_no_question(self) -> None:
        assert addressed_text(message(PRIVATE, "card", via_bot=BOT), ME) is None

    def test_channel_posts_and_business_messages_are_not_ours(self) -> None:
        assert addressed_text(message({"id": -9, "type": "channel", "title": "c"}), ME) is None
        assert addressed_text(message(PRIVATE, business_connection_id="b"), ME) is None

    @given(
        st.text(
            st.characters(exclude_categories=[]) | st.sampled_from("😀👩‍👩‍👧汉🇨🇳\ud83d\ude00"), max_size=40
        ),
        st.text(st.characters(exclude_categories=[]) | st.sampled_from("😀汉\ude00"), max_size=40),
    )
    def test_the_text_around_a_mention_survives(self, before: str, after: str) -> None:
        text = f"{before}@TandemBot{after}"
        at = {"type": "mention", "offset": units(before), "length": 10}
        said = addressed_text(message(GROUP, text, entities=[at]), ME)
        assert said is not None
        whole = f"{before}\0{after}".encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        letters = [char for char in whole if char.isalnum()]
        assert [char for char in said if char.isalnum()] == letters
        said.encode()

    @given(st.text(st.characters(exclude_categories=[])), st.integers(0, 50), st.integers(1, 50))
    def test_entities_that_fit_nothing_do_no_harm(self, text: str, offset: int, length: int) -> None:
        addressed_text(
            message(GROUP, text, entities=[{"type": "mention", "offset": offset, "length": length}]), ME
        )
