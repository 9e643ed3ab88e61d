"""The rig itself: tests stand on it, so each thing that it claims to do is seen here."""

from tests.rig.dovecot import Mailbox


def test_seeded_messages_are_served_as_they_were_given(dovecot: Mailbox) -> None:
    messages = [b"Subject: %d\r\n\r\nText\r\n" % number for number in range(300)]
    assert dovecot.append_many("INBOX", messages) == 300
    with dovecot.client() as person:
        person.select_folder("INBOX", readonly=True)
        uids = person.search()
        fetched = person.fetch(uids, ["BODY.PEEK[]"])
    assert [fetched[uid][b"BODY[]"] for uid in uids] == messages
    assert dovecot.stored("INBOX") == messages
