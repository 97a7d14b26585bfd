"""What people and groups chose: how moods are shown, persona, language, silence."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "preferences",
        sa.Column("bot_id", sa.BigInteger, nullable=False),
        sa.Column("id", sa.BigInteger, nullable=False),
        sa.Column("sentiment", sa.String(16)),
        sa.Column("persona", sa.String(32)),
        sa.Column("language", sa.String(16)),
        sa.Column("quiet_until", Moment),
        sa.Column("hinted_at", Moment),
        sa.PrimaryKeyConstraint("bot_id", "id", name="pk_preferences"),
    )


def downgrade() -> None:
    op.drop_table("preferences")
