"""Addresses as nearly all are written are read as any others are, only faster."""

from hypothesis import example, given
from hypothesis import strategies as st

from worker.message.mime.mailboxes import any_mailboxes, mailboxes

PIECES = st.sampled_from([
    "a@x.uk", "<a@x.uk>", "Lab", "Lab Results", "a",
    '"Lab, Inc"', '""', '"a\\\\"b"', "<", ">", "<>", ",", ", ", ";", ":", "@",
    " ", "  ", "\t", "\r\n ", "(x)", "(", ")", '"', "\\", "[", "@[IPv6:2001:db8::1]", "=?utf-8?q?R=C3=A9?=", "\udcff",
    "\u00a0", "\x1c", "\x85",
])  # fmt: skip


@given(st.lists(PIECES, max_size=8).map("".join) | st.text('ab@<>,;:"() \\[].', max_size=30))
@example("Lab Results <a@x.uk>, b@y.uk,")
@example('"Lab, Inc" <a@x.uk>')
@example("Lab  Results <a@x.uk>")
def test_what_is_usual_is_read_as_everything_else_is(value: str) -> None:
    assert mailboxes(value) == any_mailboxes(value)
