"""The first schema: the journal of updates, conversations with their turns, users."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "updates",
        sa.Column("id", Id, nullable=False),
        sa.Column("bot_id", sa.BigInteger, nullable=False),
        sa.Column("update_id", sa.BigInteger),
        sa.Column("payload", sa.Text),
        sa.Column("received_at", Moment, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_updates"),
        sa.UniqueConstraint("bot_id", "update_id", name="uq_updates_bot_id_update_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_updates_bot_id_state_id", "updates", ["bot_id", "state", "id"])
    op.create_table(
        "conversations",
        sa.Column("id", Id, nullable=False),
        sa.Column("bot_id", sa.BigInteger, nullable=False),
        sa.Column("chat_id", sa.BigInteger, nullable=False),
        sa.Column("thread_id", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("chat_type", sa.String(16), nullable=False),
        sa.Column("reset_turn_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
        sa.UniqueConstraint(
            "bot_id",
            "chat_id",
            "thread_id",
            "user_id",
            name="uq_conversations_bot_id_chat_id_thread_id_user_id",
        ),
    )
    op.create_table(
        "turns",
        sa.Column("id", Id, nullable=False),
        sa.Column("conversation_id", Id, nullable=False),
        sa.Column("entry_id", Id),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("message_id", sa.BigInteger, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("sentiment", sa.Text),
        sa.Column("sentiment_probability", sa.Float),
        sa.Column("sentiment_s", sa.Float),
        sa.Column("sentiment_state", sa.String(16)),
        sa.Column("sentiment_message_id", sa.BigInteger),
        sa.Column("answer_ids", sa.JSON, nullable=False),
        sa.Column("reply", sa.Text, nullable=False),
        sa.Column("delivered", sa.Boolean, nullable=False),
        sa.Column("prompt_tokens", sa.Integer),
        sa.Column("cached_tokens", sa.Integer),
        sa.Column("generated_tokens", sa.Integer),
        sa.Column("queued_s", sa.Float),
        sa.Column("first_token_s", sa.Float),
        sa.Column("total_s", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_turns"),
        sa.UniqueConstraint("entry_id", name="uq_turns_entry_id"),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name="fk_turns_conversation_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["entry_id"], ["updates.id"], name="fk_turns_entry_id", ondelete="SET NULL"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_turns_conversation_id_id", "turns", ["conversation_id", "id"])
    op.create_index("ix_turns_delivered_id", "turns", ["delivered", "id"])
    op.create_index("ix_turns_created_at", "turns", ["created_at"])
    op.create_table(
        "users",
        sa.Column("bot_id", sa.BigInteger, nullable=False),
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.Column("language", sa.Text),
        sa.Column("first_seen", Moment, nullable=False),
        sa.Column("last_seen", Moment, nullable=False),
        sa.PrimaryKeyConstraint("bot_id", "id", name="pk_users"),
    )


def downgrade() -> None:
    for table in ("users", "turns", "conversations", "updates"):
        op.drop_table(table)
