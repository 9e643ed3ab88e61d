"""Alembic's entry point: runs the migrations on the connection that `worker.journal.migrate` passes in."""

from alembic import context

from worker.journal.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,  # use the caller's transaction, so that an upgrade is applied completely or not at all
)
context.run_migrations()
