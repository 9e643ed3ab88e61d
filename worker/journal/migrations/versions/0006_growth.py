"""Index the few rows that a start, a poll and `status` ask for, so that they don't read all the others."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add indexes, each on a part of the rows. No row changes."""
    for name, table, columns, condition in (
        ("message_outcome", "message", ["state", "outcome_at"], "outcome_at IS NOT NULL"),
        ("message_unsettled", "message", ["id"], "settled_at IS NULL AND outcome_at IS NOT NULL"),
        ("message_released", "message", ["released_at"], "released_at IS NOT NULL"),
        (
            "message_unreviewed",
            "message",
            ["state", "sender_listed", "sender", "received_at", "id"],
            "state = 'junk' AND reviewed_at IS NULL",
        ),
        ("intent_open", "intent", ["id"], "done_at IS NULL"),
    ):
        only = sa.text(condition)
        op.create_index(name, table, columns, unique=False, sqlite_where=only, postgresql_where=only)
