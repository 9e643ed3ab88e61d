"""Count how often a person had a handled message handled again, and keep at which handler."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the count, which begins at 0, and the handler that a person named."""
    op.add_column(
        "message",
        sa.Column(
            "redelivery",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="how often a person had it handled again after it was done",
        ),
    )
    op.add_column(
        "message",
        sa.Column("only_handler", sa.String(), comment="the one handler that a person wants; null: all of its route"),
    )
    op.add_column(
        "intent", sa.Column("handler", sa.String(), comment="of handle: the one handler to call; null: all of them")
    )
