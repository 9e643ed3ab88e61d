"""A part's parameters are read as the standard library reads them."""

from hypothesis import example, given
from hypothesis import strategies as st

from worker.message.mime.charsets import decode
from worker.message.mime.limits import Limits
from worker.message.mime.node import Budget, Node
from worker.message.mime.words import well_formed

VALUES = st.lists(
    st.sampled_from([
        "text/plain", "a", ";", "; ", "=", '"', "\\", "name", "Name", "charset", "filename", "*", "*0", "*0*", "%e9",
        "utf-8''", " ", "\t", "\r\n ", "x.pdf", "<", ">", "(c)", "\udcff", "boundary=", "name=a", 'name="a b"',
        "; name=a", '; name="a;b"', "; filename=b", "; name=", "\x1c", "'", ",", "/", "@",
    ]),
    max_size=12,
).map("".join)  # fmt: skip


@given(VALUES, st.sampled_from(("boundary", "charset", "filename", "name")))
@example('text/plain; name=a; Name="b"', "name")
@example("charset", "charset")
@example('text/plain; charset=utf-8; name="', "name")
def test_a_parameter_is_what_the_standard_library_reads(value: str, name: str) -> None:
    node = Node(Budget(Limits()))
    node.set_raw("Content-Type", value)
    try:
        theirs = node.get_param(name, None, "content-type")
    except (ValueError, TypeError):
        theirs = None
    if isinstance(theirs, tuple):
        theirs = decode(theirs[2].encode("latin-1", "surrogateescape"), theirs[0] or "")
    assert node.parameter(name) == (None if theirs is None else well_formed(theirs))
