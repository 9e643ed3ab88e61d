"""Store what each message contained when it was handed over, so that other content is never taken for it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the fingerprint of the content. It is unknown of the messages that there are."""
    op.add_column(
        "message",
        sa.Column("content", sa.String(), comment="a keyed hash of the content that was handed over; null: unknown"),
    )
    op.add_column(
        "message",
        sa.Column(
            "doubtful",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="its headers alone say which message lies there; the content decides",
        ),
    )
