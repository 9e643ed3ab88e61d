"""What the tests of the readers share: every reader, and strategies for the dress that a header comes in."""

from hypothesis import strategies as st

from worker.classify import JunkPolicy, authentication, exchange, rspamd, spamassassin, trend
from worker.classify.reading import Reader

POLICY = JunkPolicy()
READERS: dict[str, Reader] = {
    **exchange.READERS,
    **trend.READERS,
    **spamassassin.READERS,
    **rspamd.READERS,
    **authentication.READERS,
}
spaces = st.sampled_from(["", " ", "\t", "\r\n ", "\r\n\t "])
scores = st.decimals(min_value=-9999, max_value=9999, places=3).map(str)


def odd_case(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from([text, text.lower(), text.upper(), text.swapcase()])


@st.composite
def fields_of_a_report(draw: st.DrawFn, *wanted: tuple[str, str]) -> str:
    """A report that holds the wanted fields, among others, in any order and dress."""
    others = st.sampled_from(
        [("CIP", "192.0.2.1"), ("CTRY", ""), ("SFS", "(1)(2)"), ("PTR", "SFV:SPM"), ("", ""), ("H", "x")]
    )
    pairs = draw(st.permutations([*wanted, *draw(st.lists(others, max_size=6))]))
    parts = [draw(odd_case(f"{key}:{draw(spaces)}{word}{draw(spaces)}")) + ";" + draw(spaces) for key, word in pairs]
    return "".join(parts)
