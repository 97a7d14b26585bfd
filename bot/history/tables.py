"""The tables, as SQLAlchemy sees them. migrations/ makes the same ones; a test keeps the two equal."""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives numbers of its own only to INTEGER keys; Telegram's ids need more than 32 bits.
Id = BigInteger().with_variant(Integer, "sqlite")


class Moment(TypeDecorator[datetime]):
    """An instant: aware in Python, UTC in the database, also where that knows no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=value.tzinfo or UTC) if value else None


class Words(TypeDecorator[str]):
    """Text from outside: half surrogates and NUL, which databases refuse, become the replacement character."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        whole = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


# Says whose a row is, by a person's id, where the name of the column does not. See personal.py.
OWNER = {"owner": True}

# The journal. `payload` (the raw update as ASCII JSON) is emptied as soon as the update is dealt with.
updates = Table(
    "updates",
    metadata,
    Column("id", Id, primary_key=True),
    Column("bot_id", BigInteger, nullable=False),
    Column("update_id", BigInteger),
    Column("payload", Text),
    Column("received_at", Moment, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Words),
    UniqueConstraint("bot_id", "update_id"),
    Index(None, "bot_id", "state", "id"),
    sqlite_autoincrement=True,
)

# Turns up to `reset_turn_id` are kept, but are out of the prompt since the last /new.
conversations = Table(
    "conversations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("bot_id", BigInteger, nullable=False),
    Column("chat_id", BigInteger, nullable=False),
    Column("thread_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("chat_type", String(16), nullable=False),
    Column("reset_turn_id", BigInteger, nullable=False),
    UniqueConstraint("bot_id", "chat_id", "thread_id", "user_id"),
)

turns = Table(
    "turns",
    metadata,
    Column("id", Id, primary_key=True),
    Column("conversation_id", Id, ForeignKey(conversations.c.id, ondelete="CASCADE"), nullable=False),
    Column("entry_id", Id, ForeignKey(updates.c.id, ondelete="SET NULL"), unique=True),
    Column("user_id", BigInteger, nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("question", Words, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("sentiment", Words),
    Column("sentiment_probability", Float),
    Column("sentiment_s", Float),
    Column("sentiment_state", String(16)),
    Column("sentiment_message_id", BigInteger),
    Column("answer_ids", JSON, nullable=False),
    Column("reply", Words, nullable=False),
    Column("delivered", Boolean, nullable=False),
    Column("prompt_tokens", Integer),
    Column("cached_tokens", Integer),
    Column("generated_tokens", Integer),
    Column("queued_s", Float),
    Column("first_token_s", Float),
    Column("total_s", Float),
    Column("context", Words, nullable=False, server_default=""),
    Column("task", String(32), nullable=False, server_default=""),
    Index(None, "conversation_id", "id"),
    Index(None, "delivered", "id"),
    Index(None, "created_at"),
    sqlite_autoincrement=True,
)

# What askers think of the verdicts about their messages; one opinion for each turn.
feedback = Table(
    "feedback",
    metadata,
    Column("turn_id", Id, ForeignKey(turns.c.id, ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("user_id", BigInteger, nullable=False),
    Column("verdict", Words, nullable=False),
    Column("probability", Float, nullable=False),
    Column("correction", Words, nullable=False),
    Column("created_at", Moment, nullable=False),
    Index(None, "user_id"),
)

users = Table(
    "users",
    metadata,
    Column("bot_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("language", Words),
    Column("first_seen", Moment, nullable=False),
    Column("last_seen", Moment, nullable=False),
)

# What the operator decided about people and groups; it outlives their history.
admissions = Table(
    "admissions",
    metadata,
    Column("bot_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("admitted_at", Moment),
    Column("blocked_at", Moment),
)

invites = Table(
    "invites",
    metadata,
    Column("bot_id", BigInteger, primary_key=True, autoincrement=False),
    Column("code", String(64), primary_key=True),
    Column("uses_left", Integer, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("created_by", BigInteger, nullable=False, info=OWNER),
    Column("created_at", Moment, nullable=False),
)

# Turns of a day, by person (private chats) and by group.
usage = Table(
    "usage",
    metadata,
    Column("bot_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("day", Date, primary_key=True),
    Column("turns", Integer, nullable=False),
)

# What people (id above 0) and groups (below 0) chose; null is the default. `hinted_at`: told about privacy mode.
preferences = Table(
    "preferences",
    metadata,
    Column("bot_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("sentiment", String(16)),
    Column("persona", String(32)),
    Column("language", String(16)),
    Column("quiet_until", Moment),
    Column("hinted_at", Moment),
)
