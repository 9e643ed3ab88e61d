"""Since when headers are waited for."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add what a restart must not forget."""
    op.create_table(
        "headerless",
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False, comment="when it was first seen"),
        sa.PrimaryKeyConstraint("folder", "uidvalidity", "uid"),
        comment="Messages that the server lists without a header, and of which there is no row yet.",
    )
