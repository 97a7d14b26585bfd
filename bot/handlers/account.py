"""/start, /help and /new: what the bot is, what it can do, and a fresh start."""

from telegram import Update

from bot.handlers.context import Context
from bot.handlers.menu import Descriptions, described
from bot.handlers.questions import Questions
from bot.handlers.replies import Replies
from bot.handlers.words import translate_for
from bot.history.store import Store
from bot.tasks.chat import Chat


class AccountHandler:
    """Commands about one's own conversation with the bot."""

    def __init__(
        self,
        store: Store,
        questions: Questions,
        chat: Chat,
        replies: Replies,
        tasks: Descriptions,
        *,
        inline: bool,
    ) -> None:
        self._store = store
        self._questions = questions
        self._chat = chat
        self._replies = replies
        self._tasks = tasks
        self._inline = inline

    async def on_start(self, update: Update, _context: Context) -> None:
        """/start"""
        _ = translate_for(update)
        await self._replies.say(
            update,
            _(
                "👋 Hello! I am Tandem: one small language model on an ordinary computer.\n\n"
                "Write to me. First I tell the mood of your message, then I answer it. "
                "What you write stays on the computer that I run on.\n\n"
                "/help shows what else I can do."
            ),
        )

    async def on_help(self, update: Update, context: Context) -> None:
        """/help"""
        _ = translate_for(update)
        inline = _("@{name} with a text, in any chat – its mood as a card to send there")
        await self._replies.say(
            update,
            _(
                "Just write to me, or send me a text file; in a group, mention me, reply to me or begin with /ask. "
                "What you reply to is what I am asked about.\n\n"
                "/new – start a new conversation\n"
                "/retry – the last answer once more; change your last message for another question\n"
                "/stop – end an answer that is being written\n"
                "/sentiment – the mood of a text, or of the message that you reply to; "
                "/sentiment positive, neutral or negative as a reply to my verdict corrects it\n"
                "/mood – your own mood, day by day; /mood dark for dark screens; in a group only of that group\n"
                "/privacy – what I keep about you; /export and /forget give it to you and delete it\n"
                "/settings – how I show moods, who I am (/persona), and which language I speak (/language)\n"
                "/help – this list"
            )
            + "".join(f"\n/{name} – {does}" for name, does in described(self._tasks, _))
            + ("\n" + inline.format(name=context.bot.username) if self._inline else ""),
        )

    async def on_new(self, update: Update, _context: Context) -> None:
        """/new: what was said is out of the prompt and out of the model's memory."""
        _ = translate_for(update)
        if (key := self._questions.conversation(update)) is None:
            return
        await self._store.reset(key)
        self._chat.forget(key)
        await self._replies.say(update, _("✨ A new conversation. I start with a clear head."))
