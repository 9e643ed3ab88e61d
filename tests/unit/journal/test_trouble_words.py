"""Why the journal can't be used, in our own words."""

import pytest

from worker.journal.database import JournalDamaged, JournalUnavailable, JournalUnprotected
from worker.journal.trouble_words import trouble_with_journal
from worker.logs.fields import FIELDS


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (JournalUnavailable("database or disk is full"), "disk-full"),
        (JournalUnavailable("attempt to write a readonly database"), "not-writable"),
        (JournalUnavailable("unable to open database file"), "not-opened"),
        (JournalUnavailable("database is locked"), "locked"),
        (JournalUnavailable("disk i/o error"), "disk-error"),
        (
            JournalUnavailable('could not translate host name "db.ward" to address: Name or service not known'),
            "name-not-resolved",
        ),
        (JournalUnavailable("[Errno -2] Name or service not known"), "name-not-resolved"),
        (JournalUnavailable("received invalid response to SSL negotiation: H"), "not-a-database-port"),
        (JournalUnavailable('connection to server at "10.0.0.1", port 5432 failed: Connection refused'), "server-away"),
        (JournalUnavailable("terminating connection due to administrator command"), "server-away"),
        (JournalUnavailable("consuming input failed: SSL connection has been closed unexpectedly"), "server-away"),
        (JournalUnavailable("consuming input failed: SSL SYSCALL error: EOF detected"), "server-away"),
        (JournalUnavailable("could not send data to server: Broken pipe"), "server-away"),
        (JournalUnavailable("no connection to the server"), "server-away"),
        (JournalUnavailable("the connection is lost"), "server-away"),
        (JournalUnavailable("the connection is closed"), "server-away"),
        (JournalUnavailable("connection failed: No route to host"), "server-away"),
        (JournalUnavailable("connection failed: Network is unreachable"), "server-away"),
        (JournalUnavailable("FATAL:  the database system is shutting down"), "server-away"),
        (JournalUnavailable("FATAL:  the database system is in recovery mode"), "server-away"),
        (JournalUnavailable("could not receive data from server: Connection timed out"), "timeout"),
        (JournalUnavailable("connection timeout expired"), "timeout"),
        (JournalUnavailable('password authentication failed for user "worker"'), "not-let-in"),
        (JournalDamaged("malformed"), "damaged"),
        (JournalUnprotected("certificate verify failed", "Trust it."), "not-protected"),
        (JournalUnavailable("ArgumentError"), "other"),
        (JournalUnavailable("secret words"), "other"),
    ],
)
def test_each_text_of_a_database_has_one_word(error: JournalUnavailable, name: str) -> None:
    trouble = trouble_with_journal(error)
    assert trouble.name == name
    for form, text in (("reason", trouble.name), ("advice", trouble.advice)):
        assert FIELDS[form][0].fullmatch(text)  # type: ignore[union-attr]  # both are patterns


def test_the_advice_of_an_unprotected_connection_is_its_own() -> None:
    assert trouble_with_journal(JournalUnprotected("certificate verify failed", "Trust it.")).advice == "Trust it."
