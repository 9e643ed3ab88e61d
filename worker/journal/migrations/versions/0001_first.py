"""Initial schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "attempt",
        sa.Column(
            "number",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="counts up for ever, over resets too",
        ),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column(
            "cools_from",
            sa.Double(),
            nullable=False,
            comment="from when the wait runs: `at`, unless the clock went back",
        ),
        sa.Column(
            "kind",
            sa.String(),
            nullable=False,
            comment="password, token, connection (nothing was sent), reset, or doubt",
        ),
        sa.Column("credential", sa.String(), nullable=True, comment="the fingerprint of what was sent"),
        sa.Column(
            "actor", sa.String(), nullable=False, comment="the replica, or the operating-system user of a command"
        ),
        sa.Column(
            "outcome",
            sa.String(),
            nullable=True,
            comment="succeeded, or the class of the failure; null: no answer came, which counts",
        ),
        sa.Column("counts", sa.Boolean(), nullable=False, comment="the server may have counted it against the account"),
        sa.Column(
            "jitter", sa.Double(), nullable=False, comment="the random share of this attempt's wait, from 0 to 1"
        ),
        sa.Column("retry_after", sa.Double(), nullable=True, comment="seconds that the server asked us to wait"),
        sa.Column("said", sa.String(), nullable=True, comment="the server's words, reduced to ours"),
        sa.Column("note", sa.String(), nullable=True, comment="a person's reason for a reset, or what is in doubt"),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "credential",
        sa.Column("fingerprint", sa.String(), nullable=False, comment="salted scrypt"),
        sa.Column("first_seen_at", sa.Double(), nullable=False),
        sa.Column(
            "accepted",
            sa.BigInteger(),
            nullable=True,
            comment="the number of the attempt that the server last accepted it in; null: never",
        ),
        sa.PrimaryKeyConstraint("fingerprint"),
        comment="Fingerprints of passwords: for their age, and for the four that may not come back.",
    )
    op.create_table(
        "fact",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        comment="Single facts: whose journal this is, paused, the last poll.",
    )
    op.create_table(
        "folder",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("uidnext", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        comment="What the last good poll saw of each watched folder.",
    )
    op.create_table(
        "intent",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False, comment="release or retry"),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False, comment="a person's words about why; not content"),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("done_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        comment="What a person asked for, for the lease holder to carry out.",
    )
    op.create_table(
        "known_sender",
        sa.Column("sender", sa.String(), nullable=False, comment="a keyed hash of the address"),
        sa.Column("since", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("sender"),
        comment="Senders whose mail was handled as clean.",
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False, comment="the key without the look-alike's number"),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=True),
        sa.Column("folder", sa.String(), nullable=False, comment="where the message lies, as far as we know"),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=True, comment="null: somewhere in the folder"),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="bytes, the server's estimate"),
        sa.Column("received_at", sa.Double(), nullable=False, comment="the server's INTERNALDATE"),
        sa.Column("first_seen_at", sa.Double(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column(
            "deaths", sa.Integer(), nullable=False, comment="the process died while this message alone was in hand"
        ),
        sa.Column(
            "in_hand",
            sa.String(),
            nullable=True,
            comment="the run that has it in hand: a suspect when that run is no more",
        ),
        sa.Column("next_at", sa.Double(), nullable=True, comment="no try before; null: now"),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("outcome_at", sa.Double(), nullable=True),
        sa.Column(
            "settle_to", sa.String(), nullable=True, comment="the folder that the outcome sends it to; null: it stays"
        ),
        sa.Column("settled_at", sa.Double(), nullable=True),
        sa.Column(
            "waiting_since",
            sa.Double(),
            nullable=True,
            comment="since when the server shows no content, or a stand-in; null: it shows it",
        ),
        sa.Column("missed", sa.Integer(), nullable=False, comment="reconciliations in a row that didn't find it"),
        sa.Column("released_at", sa.Double(), nullable=True),
        sa.Column("reviewed_at", sa.Double(), nullable=True, comment="a person has looked at it"),
        sa.Column(
            "sender", sa.String(), nullable=True, comment="a keyed hash of the sender's address; null: it has none"
        ),
        sa.Column("sender_listed", sa.Boolean(), nullable=False, comment="the settings name the sender as known"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("message_fingerprint", "message", ["fingerprint"], unique=False)
    op.create_index("message_place", "message", ["folder", "uidvalidity", "uid"], unique=False)
    op.create_index("message_state", "message", ["state", "next_at"], unique=False)
    op.create_table(
        "tally",
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("state"),
        comment="How many messages of each state have been compacted: their rows are gone, their number is kept.",
    )
    op.create_table(
        "delivery",
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column(
            "path",
            sa.String(),
            nullable=False,
            comment="clean or junk: what was done on one path is not done on the other",
        ),
        sa.Column("handler", sa.String(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("done_at", sa.Double(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("message_id", "path", "handler"),
        comment="One row for each handler that a message owes or has had.",
    )
