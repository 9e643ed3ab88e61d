"""What the browser comes back with: only this sign-in's own answer is taken, whatever else is sent or pasted."""

import string
from urllib.parse import urlencode

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from worker.login.redirect import LONGEST, Awaited, UnfitRedirect

STATE = "Zp3vKqT0dS-_8mR4aYx1Bw"
HERE = "http://localhost:8400"
AWAITED = Awaited(HERE, STATE)
GOOD = f"code=0.AX0A-b_c&state={STATE}"

NAMES = st.sampled_from(["code", "state", "error", "error_description", "client_info", "session_state", "x", ""])
VALUES = st.one_of(
    st.sampled_from(
        ["", STATE, STATE[:-1], STATE.lower(), f"{STATE} ", f"{STATE}\0", "0.AX0A", "access_denied", "\r\nX: y"]
    ),
    st.text(max_size=20),
)
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
SCRAPS = st.sampled_from(
    ["&", "=", ";", "%", "%zz", "%00", "%ff", "+", "#", "?", f"state={STATE}", "code=c", "error=e", "//"]
)
QUERIES = st.one_of(
    PAIRS.map(urlencode),
    st.lists(st.one_of(SCRAPS, st.text(max_size=5)), max_size=12).map("".join),
    PAIRS.map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)),
)


def test_an_answer_is_a_code_or_an_error() -> None:
    assert AWAITED.from_query(GOOD) == {"state": STATE, "code": "0.AX0A-b_c"}
    refused = f"error=access_denied&error_description=AADSTS65004%3A+D%C3%A9clined&state={STATE}"
    assert AWAITED.from_query(refused) == {
        "state": STATE,
        "error": "access_denied",
        "error_description": "AADSTS65004: Déclined",
    }
    more = f"{GOOD}&session_state=1&client_info=eyJ1aWQi&iss=https%3A%2F%2Flogin.example.org"
    assert AWAITED.from_query(more) == AWAITED.from_query(GOOD), "what isn't needed is dropped"


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("", "from another or an earlier one"),
        ("code=c", "from another or an earlier one"),
        ("code=c&state=", "from another or an earlier one"),
        (f"code=c&state={STATE.swapcase()}", "from another or an earlier one"),
        (f"code=c&state={STATE[:-1]}", "from another or an earlier one"),
        (f"state={STATE}", "neither a code nor an error"),
        (f"code=&error=&state={STATE}", "neither a code nor an error"),
        (f"code=c&error=e&state={STATE}", "neither a code nor an error, or both"),
        (f"{GOOD}&code=d", "twice"),
        (f"{GOOD}&state=x", "twice"),
        (f"state=x&{GOOD}", "twice"),
        (f"{GOOD}&x=1&x=1", "twice"),
        (f"code=%0d%0aSet-Cookie&state={STATE}", "characters"),
        (f"code=%00&state={STATE}", "characters"),
        (f"code=%C3%A9&state={STATE}", "characters"),
        (f"error=%1b%5b2J&state={STATE}", "characters"),
        (f"code=%ff&state={STATE}", "can't be read"),
        ("&".join(f"x{number}=1" for number in range(40)), "can't be read"),
        (f"{GOOD}&x={'y' * LONGEST}", "too long"),
    ],
)
def test_what_isnt_the_answer(query: str, why: str) -> None:
    with pytest.raises(UnfitRedirect, match=why):
        AWAITED.from_query(query)


@given(QUERIES)
@example(GOOD)
def test_whatever_is_asked_only_this_sign_ins_answer_is_taken(query: str) -> None:
    """No error of another kind, no text of the request in ours, and nothing but the fields that are needed."""
    try:
        found = AWAITED.from_query(query)
    except UnfitRedirect as unfit:
        said = str(unfit)
        assert said == said.strip()
        assert STATE not in said
        return
    assert found.keys() <= {"state", "code", "error", "error_description"}
    assert found["state"] == STATE
    assert query.count("state=") >= 1
    assert ("code" in found) != ("error" in found)
    assert all(found[name].isascii() and found[name].isprintable() for name in found if name != "error_description")


@given(st.text(max_size=40), st.text(max_size=40))
@example("", STATE)
def test_a_state_that_was_guessed_isnt_ours(before: str, after: str) -> None:
    state = f"{before}{after}"
    assume(state != STATE)
    with pytest.raises(UnfitRedirect):
        AWAITED.from_query(urlencode({"code": "c", "state": state}))


@given(
    st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=2000),
    st.permutations(["code", "state", "session_state"]),
    st.booleans(),
)
def test_any_code_comes_through_as_it_is(code: str, order: list[str], quoted: bool) -> None:
    if not quoted:
        code = code.translate({ord(letter): "x" for letter in "&=+%#; "})
    fields = {"code": code, "state": STATE, "session_state": "8c1d"}
    pairs = [(name, fields[name]) for name in order]
    query = urlencode(pairs) if quoted else "&".join("=".join(pair) for pair in pairs)
    assert AWAITED.from_query(query) == {"code": code, "state": STATE}
    assert AWAITED.from_address(f"{HERE}/?{query}")["code"] == code


@pytest.mark.parametrize(
    "text",
    [
        f"{HERE}/?{GOOD}",
        f"{HERE}?{GOOD}",
        f"  {HERE}/?{GOOD}\n",
        f"<{HERE}/?{GOOD}>",
        f'"{HERE}/?{GOOD}"',
        f"HTTP://LOCALHOST:8400/?{GOOD}",
        f"localhost:8400/?{GOOD}",
        f"{HERE}/?{GOOD}#",
    ],
)
def test_an_address_as_browsers_and_people_copy_it(text: str) -> None:
    assert AWAITED.from_address(text) == {"state": STATE, "code": "0.AX0A-b_c"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "doesn't begin with http://localhost:8400"),
        (GOOD, "doesn't begin"),
        (f"?{GOOD}", "doesn't begin"),
        (f"https://localhost:8400/?{GOOD}", "doesn't begin"),
        (f"http://localhost/?{GOOD}", "doesn't begin"),
        (f"http://localhost:0/?{GOOD}", "doesn't begin"),
        (f"http://localhost:84000/?{GOOD}", "isn't an address"),
        (f"http://127.0.0.1:8400/?{GOOD}", "doesn't begin"),
        (f"http://localhost.evil.example:8400/?{GOOD}", "doesn't begin"),
        (f"http://localhost:8400@evil.example/?{GOOD}", "doesn't begin"),
        (f"http://user@localhost:8400/?{GOOD}", "doesn't begin"),
        (f"{HERE}/other?{GOOD}", "doesn't begin"),
        (f"{HERE}/?{GOOD}#x", "after a #"),
        (f"{HERE}/#{GOOD}", "after a #"),
        (f"http://[::1/?{GOOD}", "isn't an address"),
        ("https://login.example.org/tenant/authorize?client_id=c&state=x", "doesn't begin"),
        (f"{HERE}/?code=a b&state={STATE}", "isn't one whole address"),
        (f"{HERE}/?{GOOD}\n{HERE}/?{GOOD}", "isn't one whole address"),
        (f"{HERE}/?{GOOD}\x1b[2J", "isn't one whole address"),
        (f"{HERE}/?{GOOD}\udcff", "isn't one whole address"),
        (f"{HERE}/?{GOOD}&x={'y' * LONGEST}", "isn't one whole address"),
    ],
)
def test_an_address_that_isnt_the_one(text: str, why: str) -> None:
    with pytest.raises(UnfitRedirect, match=why):
        AWAITED.from_address(text)


HOSTS = st.one_of(
    st.sampled_from(
        ["localhost:8400", "localhost", "LOCALHOST:8400", "localhost:08400", "[::1]:8400", "evil.example", ""]
    ),
    st.text(string.printable, max_size=12),
)


@given(
    st.sampled_from(["http://", "https://", "", "//", "javascript:", "HTTP://", "http:/", "http:\\\\"]),
    HOSTS,
    st.sampled_from(["/", "", "/..", "/.", "//", "/x", "\\"]),
    st.one_of(st.just(GOOD), QUERIES),
)
def test_whatever_is_pasted_only_our_own_address_is_read(scheme: str, host: str, path: str, query: str) -> None:
    try:
        found = AWAITED.from_address(f"{scheme}{host}{path}?{query}")
    except UnfitRedirect:
        return
    assert scheme.lower() in ("http://", "")
    assert host.strip("<\"' \t\r\n\x0b\x0c").lower() in ("localhost:8400", "localhost:08400")
    assert path in ("/", "")
    assert found["state"] == STATE


@pytest.mark.parametrize(
    ("expected", "text", "fits"),
    [
        ("http://localhost", "http://localhost/?", True),
        ("http://localhost", "http://localhost:80/?", True),
        ("http://localhost", "http://localhost:8400/?", False),
        ("http://localhost:80", "http://localhost/?", True),
    ],
)
def test_the_port_that_http_has_when_none_is_named(expected: str, text: str, *, fits: bool) -> None:
    awaited = Awaited(expected, STATE)
    if fits:
        assert awaited.from_address(text + GOOD)["code"] == "0.AX0A-b_c"
    else:
        with pytest.raises(UnfitRedirect):
            awaited.from_address(text + GOOD)


def test_the_state_isnt_shown() -> None:
    assert STATE not in repr(AWAITED)
