"""What was asked for in a turn: a task of the configuration, or an answer."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("task", sa.String(32), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("turns") as turns:
        turns.drop_column("task")
