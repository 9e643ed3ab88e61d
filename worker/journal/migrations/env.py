"""Run by alembic: applies the versions through the connection that `worker.journal.migrate` hands over."""

from alembic import context

from worker.journal.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,  # the caller's transaction is the only one: all of a migration, or nothing
)
context.run_migrations()
