"""Store whether the provider confirmed a message's sender, for the order of the sender's mail."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column. Of mail from before, nothing is known."""
    op.add_column(
        "message",
        sa.Column(
            "sender_confirmed",
            sa.Boolean(),
            nullable=True,
            comment="the provider confirmed the sender; null: it says nothing of that",
        ),
    )
