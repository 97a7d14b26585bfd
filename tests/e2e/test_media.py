"""What is no plain message: files of text are read, captions are words, stickers have a mood, and of the rest the bot
says once what it can do."""

import pytest

from bot.sandbox.faults import Failure

PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
    b"\x00\x00\x00\rIDATx\x9cc\xf8\xff\xff?\x00\x05\xfe\x02\xfe\xa75\x81\x84\x00\x00\x00\x00IEND\xaeB`\x82"
)
NOTES = "The meeting is on Friday.\nBring the red folder."


async def test_a_file_with_a_caption_is_what_the_question_is_about(bot, ann, held):
    async with bot():
        await ann.person.file("notes.md", NOTES.encode(), caption="When is it?")
        await ann.answer()
        assert held.prompts[0][-1] == ("user", f"notes.md:\n```\n{NOTES}\n```\n\nWhen is it?")
        # The next question still knows the file.
        await ann.turn("What must I bring?")
    assert "red folder" in held.prompts[1][1][1]


async def test_help_tells_of_files(bot, ann, li_lei):
    async with bot():
        assert "send me a text file" in (await ann.reply("/help")).text
        assert "文本文件" in (await li_lei.reply("/help")).text


async def test_whoever_asks_on_about_a_file_need_not_send_it_again(bot, ann, held):
    notes = "\n".join(f"{number}. point" for number in range(40))
    async with bot(chat={"history_tokens": 200}):
        await ann.person.file("notes.md", notes.encode(), caption="How many?")
        await ann.answer()
        await ann.turn("And the last?")
        await ann.turn("Thanks")
    assert "39. point" in held.prompts[1][1][1]
    # The next question pushes it out: the history has its budget.
    assert all("39. point" not in text for _, text in held.prompts[2])


async def test_a_file_alone_is_the_question(bot, ann, held):
    async with bot():
        await ann.person.file("notes.txt", NOTES.encode("gb18030"))
        await ann.answer()
    assert held.prompts[0][-1] == ("user", NOTES)


async def test_of_a_long_file_the_beginning_is_read_and_that_is_told(bot, ann, held, telegram):
    async with bot():
        await ann.person.file("log.txt", ("word " * 9000).encode(), caption="Why?")
        told = (await telegram.wait_for(lambda _: ann.of_bot()))[0]
        await telegram.wait_for(lambda _: len(ann.of_bot()) == 3)
        await ann.finished(ann.of_bot()[2].message_id)
    assert told.text == "✂️ log.txt is long: I read the first 1% of it."
    assert [message.silent for message in ann.of_bot()] == [True, True, False]
    (prompt,) = held.prompts
    assert prompt[-1][1].startswith("log.txt:\n```\nword word")
    assert prompt[-1][1].endswith("\n```\n\nWhy?")
    assert len(prompt[-1][1]) < 1000
    assert not ann.of_bot()[2].text.startswith("⚠️")


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("big.txt", b"a" * (600 << 10), "too big for me: I read text files of up to 512 KB"),
        ("blob.py", b"\x00\xff\xfe\xfd", "not text, or in an unusual encoding"),
        ("empty.md", b"\n", "no text in this file"),
    ],
)
async def test_a_file_that_cannot_be_read_is_answered_politely(bot, ann, held, telegram, name, content, line):
    async with bot():
        await ann.person.file(name, content, caption="What is this?")
        told = (await telegram.wait_for(lambda _: ann.of_bot()))[0]
        await ann.turn("And now?")
    assert line in told.text
    assert len(held.prompts) == 1


async def test_a_file_that_telegram_does_not_give_is_answered_politely(bot, ann, telegram):
    telegram.sandbox.faults.order(Failure(502), method="getFile")
    async with bot():
        await ann.person.file("notes.md", NOTES.encode())
        told = (await telegram.wait_for(lambda _: ann.of_bot()))[0]
    assert "could not fetch" in told.text


async def test_in_a_group_a_file_is_read_when_somebody_asks_about_it(bot, ann, li_lei, held, telegram):
    telegram.world.state.privacy = "off"
    async with bot():
        notes = await li_lei.person.file("notes.md", NOTES.encode(), chat="Team")
        await ann.turn("/ask When is it?", "Team", reply_to=notes.message_id)
        await ann.turn("/ask", "Team", reply_to=notes.message_id)
    assert held.prompts[0][-1][1] == f"notes.md:\n```\n{NOTES}\n```\n\nWhen is it?"
    assert held.prompts[1][-1][1] == NOTES


async def test_a_caption_is_a_message(bot, ann, held):
    async with bot():
        await ann.person.photo(PIXEL, caption="I like this")
        await ann.answer()
    assert held.prompts[0][-1] == ("user", "I like this")


async def test_whoever_sends_what_cannot_be_read_is_told_once_what_can(bot, ann, telegram, held):
    async with bot():
        await ann.person.voice()
        told = (await telegram.wait_for(lambda _: ann.of_bot()))[0]
        await ann.person.photo(PIXEL)
        await ann.person.poll("Tea?", ["yes", "no"])
        await ann.person.file("paper.pdf", b"%PDF")
        await ann.turn("I see")
    assert told.text.startswith("🙈 I see and hear nothing, I only read")
    assert len(ann.of_bot()) == 3
    assert len(held.prompts) == 1


async def test_in_a_group_only_what_is_for_the_bot_gets_a_word(bot, ann, telegram):
    telegram.world.state.privacy = "off"
    async with bot():
        await ann.person.voice("Team")
        await ann.person.sticker("😭", "Team")
        await ann.person.file("notes.md", NOTES.encode(), chat="Team")
        hello = await ann.reply("/help", "Team")
        await ann.person.voice("Team", reply_to=hello.message_id)
        await telegram.wait_for(lambda _: len(ann.of_bot("Team")) == 2)
    assert "/sentiment" in hello.text
    assert "only read" in ann.of_bot("Team")[1].text


@pytest.mark.real_model
async def test_a_sticker_has_the_mood_of_its_emoji(real_bot, ann, telegram):
    async with real_bot():
        for emoji, mood in (("😍", "😄"), ("😭", "😢")):
            before = len(ann.of_bot())
            sticker = await ann.person.sticker(emoji)
            told = (await telegram.wait_for(lambda _, n=before: ann.of_bot()[n:], within=60))[0]
            assert told.text.startswith(mood)
            assert told.reply_to == sticker.message_id
        await ann.reply("/help")
    assert len(ann.of_bot()) == 3
