"""Who may use the bot: decisions about people and groups, invitations, and turns counted by day."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "admissions",
        sa.Column("bot_id", sa.BigInteger, nullable=False),
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.Column("admitted_at", Moment),
        sa.Column("blocked_at", Moment),
        sa.PrimaryKeyConstraint("bot_id", "id", name="pk_admissions"),
    )
    op.create_table(
        "invites",
        sa.Column("bot_id", sa.BigInteger, nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("uses_left", sa.Integer, nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.Column("created_by", sa.BigInteger, nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("bot_id", "code", name="pk_invites"),
    )
    op.create_table(
        "usage",
        sa.Column("bot_id", sa.BigInteger, nullable=False),
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("turns", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("bot_id", "id", "day", name="pk_usage"),
    )


def downgrade() -> None:
    for table in ("usage", "invites", "admissions"):
        op.drop_table(table)
