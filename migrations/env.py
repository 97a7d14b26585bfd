"""Runs migrations on the connection that bot/history/schema.py hands over, within its transaction.

Sets up no logging and reads no alembic.ini: the bot owns both. A new migration is a new file in versions/,
written by hand; tests/history/test_schema.py compares what it makes with bot/history/tables.py.
"""

from alembic import context

from bot.history.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
