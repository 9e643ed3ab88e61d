"""Store what each poll saw in a folder, and since when a message has had no header."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add what must survive a restart, and what `reconcile` compares the mailbox to."""
    op.add_column(
        "folder",
        sa.Column("seen", sa.String(), nullable=False, server_default="", comment="a mark of the UIDs that it showed"),
    )
    op.create_table(
        "headerless",
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False, comment="when it was first seen"),
        sa.PrimaryKeyConstraint("folder", "uidvalidity", "uid"),
        comment="Messages that the server lists without a header, and of which there is no row yet.",
    )
