"""/stats: what an admin learns about the bot, in words and in a picture, and what nobody learns from it."""

from bot.sandbox.faults import TooMany

SECRET = "swordfish"


async def test_it_tells_what_happened_and_nothing_that_was_said(bot, ann, li_lei, telegram):
    async with bot():
        await ann.turn(SECRET)
        await ann.turn(SECRET)
        await li_lei.turn("你好")
        told = (await ann.reply("/stats")).text
    assert "👥 2 people" in told
    assert "3 turns today, 3 in 30 days" in told
    moods = [int(number) for number in told.split("\n")[2].split()[1::2]]
    assert sum(moods) == 3
    for part in ("time to sentiment: p50 ", "time to first token: p50 ", " tokens/s, 0 running, 0 waiting"):
        assert part in told
    # One of five: the second question's mood. The others are the first's, a greeting's, its answer, and the mood of a
    # text without content, for the prejudice.
    assert "♻️ 20% of the results" in told
    for part in (
        "0 turns without an answer, 0 errors, 0 restarts",
        "0 penalties",
        "0 messages refused",
        " MB",
        "up for 0:00:",
    ):
        assert part in told
    assert SECRET not in told
    assert str(li_lei.person.user.id) not in told


async def test_penalties_and_refusals_are_counted(bot, ann, li_lei, telegram, configure):
    telegram.sandbox.faults.order(TooMany(seconds=(1,)), method="sendMessage", times=2)
    async with bot():
        assert "管理员" in (await li_lei.reply("/stats")).text
        assert "penalties from Telegram (2 s)" in (await ann.reply("/stats")).text


async def test_the_picture_follows_without_ringing(bot, ann, telegram):
    async with bot():
        await ann.turn("hello")
        asked = await ann.person.say("/stats")
        picture = await telegram.wait_for(lambda _: [m for m in ann.of_bot() if m.attachment])
    (picture,) = picture
    assert picture.attachment.kind == "photo"
    assert (picture.attachment.width, picture.attachment.height) == (1080, 1350)
    assert picture.silent
    assert picture.reply_to == asked.message_id
