"""Alembic's entry point: applies the migrations on the connection that `worker.journal.migrate` passes in."""

from alembic import context

from worker.journal.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,  # all in the caller's transaction, so that an upgrade happens completely or not at all
)
context.run_migrations()
