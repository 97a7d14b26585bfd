"""What a question is about: the message that it quotes, the file that came with it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("context", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("turns") as turns:
        turns.drop_column("context")
