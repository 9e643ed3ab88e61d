"""The journal's tables. They hold keys, places, states, counts and times, never the content of a message (promise 7).

Times are seconds since the epoch as floats, which are the same in SQLite and PostgreSQL.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    false,
    text,
)

metadata = MetaData()


def _only(condition: str) -> dict[str, Any]:
    """Index only these rows. SQLite uses the index only for a query that has the condition in the same words.

    PostgreSQL's indexes are in the migrations alone: to name its condition here would load its dialect at each start.
    """
    return {"sqlite_where": text(condition)}


fact = Table(
    "fact",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
    comment="Single facts: whose journal this is, paused, the last poll.",
)

# The combinations that a message's row may have:
#
#                                   outcome_at  settle_to  settled_at  place
#   pending                         null        null       null        where it lies; uid null: somewhere in the folder
#   done, not moved yet             set         a folder   null        where it lies
#   done, and stays                 set         null       set         where it lies
#   done, and moved                 set         a folder   set         that folder; uid null and uidvalidity 0 if the
#                                                                      server didn't say, or somebody else moved it
#   done in an earlier journal      set         null       set         where it lies; reason `rebuilt`
#   handled, and deleted by us      set         a folder   set         uid null; reason `deleted`
#   gone                            set         null       set         where it lay last; reason `taken-away`
#
# `doubtful`, where headers don't suffice to say which message is which:
#   pending, no content        a message that looks like one that was handed over before. Its content is compared with
#                              that message's before any handler has it.
#   pending, with a content    found elsewhere by its headers; its content is compared before it is handed over again
#   done, uid known            found by its headers in a folder that was renumbered
#   any, with a content, uid null   it isn't where it was: only a message with the same content is taken for it
#
# `missed` counts the polls in a row that missed a pending message, or the walks in a row that missed a done one.
message = Table(
    "message",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("fingerprint", String, nullable=False, comment="the key without the look-alike's number"),
    Column("state", String, nullable=False),
    Column("path", String),
    Column("evidence", JSON),
    Column("folder", String, nullable=False, comment="where the message lies, as far as we know"),
    Column("uidvalidity", BigInteger, nullable=False),
    # earlier versions also stored the 0 that Exchange may give as the UID of a moved message: it is read as null
    Column("uid", BigInteger, comment="null: somewhere in the folder"),
    Column("size", BigInteger, nullable=False, comment="bytes, the server's estimate"),
    Column("received_at", Double, nullable=False, comment="the server's INTERNALDATE"),
    Column("first_seen_at", Double, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column(
        "deaths", Integer, nullable=False, default=0, comment="the process died while this message alone was in hand"
    ),
    Column("in_hand", String, comment="the run that has it in hand: a suspect when that run is no more"),
    Column("next_at", Double, comment="no try before; null: now"),
    Column("reason", String),
    Column("outcome_at", Double),
    Column("settle_to", String, comment="the folder that the outcome sends it to; null: it stays"),
    Column("settled_at", Double),
    Column("waiting_since", Double, comment="since when the server shows no content, or a stand-in; null: it shows it"),
    Column("missed", Integer, nullable=False, default=0, comment="reconciliations in a row that didn't find it"),
    Column("released_at", Double),
    Column("reviewed_at", Double, comment="a person has looked at it"),
    Column("sender", String, comment="a keyed hash of the sender's address; null: it has none"),
    Column("sender_listed", Boolean, nullable=False, default=False, comment="the settings name the sender as known"),
    Column("sender_confirmed", Boolean, comment="the provider confirmed the sender; null: it says nothing of that"),
    Column("content", String, comment="a keyed hash of the content that was handed over; null: unknown"),
    Column(
        "doubtful",
        Boolean,
        nullable=False,
        default=False,
        server_default=false(),
        comment="its headers alone say which message lies there; the content decides",
    ),
    Column(
        "redelivery",
        Integer,
        nullable=False,
        default=0,
        server_default="0",
        comment="how often a person had it handled again after it was done",
    ),
    Column("only_handler", String, comment="the one handler that a person wants; null: all of its route"),
    Index("message_fingerprint", "fingerprint"),
    Index("message_place", "folder", "uidvalidity", "uid"),
    Index("message_state", "state", "next_at"),
    # What a poll, a start or `status` asks for is a small part of the rows. Each of these finds it without the others.
    Index("message_outcome", "state", "outcome_at", **_only("outcome_at IS NOT NULL")),
    Index("message_unsettled", "id", **_only("settled_at IS NULL AND outcome_at IS NOT NULL")),
    Index("message_released", "released_at", **_only("released_at IS NOT NULL")),
    Index(
        "message_unreviewed",
        *("state", "sender_listed", "sender", "received_at", "id"),  # all that is asked for: the rows aren't read
        **_only("state = 'junk' AND reviewed_at IS NULL"),
    ),
)

delivery = Table(
    "delivery",
    metadata,
    Column("message_id", ForeignKey("message.id", ondelete="CASCADE"), primary_key=True),
    Column(
        "path", String, primary_key=True, comment="clean or junk: what was done on one path is not done on the other"
    ),
    Column("handler", String, primary_key=True),
    Column("tries", Integer, nullable=False, default=0),
    Column("done_at", Double),
    Column("reason", String),
    comment="One row for each handler that a message owes or has had.",
)

known_sender = Table(
    "known_sender",
    metadata,
    Column("sender", String, primary_key=True, comment="a keyed hash of the address"),
    Column("since", Double, nullable=False),
    comment="Senders whose mail was handled as clean.",
)

folder = Table(
    "folder",
    metadata,
    Column("name", String, primary_key=True),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("uidnext", BigInteger, nullable=False),
    Column("seen", String, nullable=False, server_default="", comment="a mark of the UIDs that it showed"),
    comment="What the last good poll saw of each watched folder.",
)

headerless = Table(
    "headerless",
    metadata,
    Column("folder", String, primary_key=True),
    Column("uidvalidity", BigInteger, primary_key=True, autoincrement=False),
    Column("uid", BigInteger, primary_key=True, autoincrement=False),
    Column("since", Double, nullable=False, comment="when it was first seen"),
    comment="Messages that the server lists without a header, and of which there is no row yet.",
)

intent = Table(
    "intent",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String, nullable=False, comment="release, retry or handle"),
    Column("key", String, nullable=False),
    Column("reason", String, nullable=False, comment="a person's words about why; not content"),
    Column("actor", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("done_at", Double),
    Column("handler", String, comment="of handle: the one handler to call; null: all of them"),
    Index("intent_open", "id", **_only("done_at IS NULL")),
    comment="What a person asked for, for the lease holder to carry out.",
)

tally = Table(
    "tally",
    metadata,
    Column("state", String, primary_key=True),
    Column("messages", BigInteger, nullable=False),
    comment="How many messages of each state have been compacted: their rows are gone, their number is kept.",
)

lease = Table(
    "lease",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("expires_at", Double, nullable=False),
)

attempt = Table(
    "attempt",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="counts up for ever, over resets too"),
    Column("at", Double, nullable=False),
    Column("cools_from", Double, nullable=False, comment="from when the wait runs: `at`, unless the clock went back"),
    Column("kind", String, nullable=False, comment="password, token, connection (nothing was sent), reset, or doubt"),
    Column("credential", String, comment="the fingerprint of what was sent"),
    Column("actor", String, nullable=False, comment="the replica, or the operating-system user of a command"),
    Column(
        "outcome",
        String,
        comment="succeeded, or the class of the failure; null: no answer came; of a reset: about what",
    ),
    Column("counts", Boolean, nullable=False, comment="the server may have counted it against the account"),
    Column("jitter", Double, nullable=False, comment="the random share of this attempt's wait, from 0 to 1"),
    Column("retry_after", Double, comment="seconds that the server asked us to wait"),
    Column("said", String, comment="the server's words, reduced to ours"),
    Column("note", String, comment="a person's reason for a reset, what is in doubt, or the way of logging in"),
    Column("finished_at", Double),
)

credential = Table(
    "credential",
    metadata,
    Column("fingerprint", String, primary_key=True, comment="salted scrypt"),
    Column("first_seen_at", Double, nullable=False),
    Column(
        "accepted", BigInteger, comment="the number of the attempt that the server last accepted it in; null: never"
    ),
    comment="Fingerprints of passwords: for their age, and for the four that may not come back.",
)

INDEXES = (
    "message_fingerprint",
    "message_place",
    "message_state",
    "message_outcome",
    "message_unsettled",
    "message_released",
    "message_unreviewed",
    "intent_open",
)
"""All indexes in the order in which programs introduced them. Of two that serve a query alike, SQLite's choice depends
on which was created first."""
