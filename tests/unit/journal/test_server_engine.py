"""A journal on a database server: its connections are verified, whatever its URL says, or accepted as clear text."""

from contextlib import closing
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from worker.connections import Unprotected, is_loopback
from worker.journal.database import Database, JournalUnprotected, url_fault
from worker.journal.server_engine import advice_on, protection

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
hosts = st.sampled_from(["db.example", "10.0.0.1", "127.0.0.1", "localhost", "[::1]", "%2Frun%2Fpostgresql", ""])
queries = st.lists(
    st.one_of(
        st.tuples(st.just("sslmode"), st.sampled_from([*MODES, ""])),
        st.tuples(st.just("host"), st.sampled_from(["db.example", "localhost", "/run/postgresql", "localhost:5432"])),
        st.tuples(st.just("hostaddr"), st.sampled_from(["10.0.0.1", "127.0.0.1"])),
        st.tuples(st.just("gssencmode"), st.sampled_from(["prefer", "require", "disable"])),
        st.tuples(st.just("connect_timeout"), st.just("3")),
        st.tuples(st.just("service"), st.just("other")),
    ),
    max_size=4,
)


@given(user=st.sampled_from(["worker", "worker%40localhost", "a%3Ab"]), host=hosts, query=queries, clear=st.booleans())
def test_what_the_driver_is_told_at_last_is_protected(
    user: str, host: str, query: list[tuple[str, str]], clear: bool
) -> None:
    text = "&".join(f"{name}={quote(value, safe='')}" for name, value in query)
    url = make_url(f"postgresql+psycopg://{user}:Some-Word-1@{host}/nhsmail?{text}")
    try:
        told = protection(url, allow_clear=clear)
    except Unprotected:
        return
    final = {**url.get_dialect()().create_connect_args(url)[1], **told}
    if final.get("sslmode") == "verify-full" and final.get("gssencmode") == "disable":
        return
    if clear and final.get("sslmode") == "disable":
        return
    reached = f"{final.get('host', '')},{final.get('hostaddr', '')}".split(",")
    assert all(not one or one.startswith("/") or is_loopback(one) for one in reached)
    assert "service" not in final


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql+psycopg://worker@db/nhsmail?sslmode=disable", "adding to [state] the line: allow_clear = true"),
        ("postgresql+psycopg://worker@db/nhsmail?sslmode=prefer", "sslmode=prefer doesn't verify the server"),
        ("mysql+pymysql://worker@db/nhsmail", "must begin with postgresql+psycopg://"),
        ("postgresql+pg8000://worker@db/nhsmail", "must begin with postgresql+psycopg://"),
        ("postgresql+psycopg:worker@db", "must be a database URL"),
    ],
)
def test_a_journal_that_is_refused(url: str, words: str) -> None:
    fault = url_fault(url, allow_clear=False)
    assert fault is not None
    assert words in fault


@pytest.mark.parametrize(
    ("url", "allow_clear", "is_clear"),
    [
        ("postgresql+psycopg://worker@db/nhsmail", False, False),
        ("postgresql+psycopg://worker@db/nhsmail", True, True),
        ("postgresql+psycopg://worker@db/nhsmail?sslmode=disable", True, True),
        ("postgresql+psycopg://worker@db/nhsmail?sslmode=verify-full", True, False),
        ("postgresql+psycopg://worker@127.0.0.1/nhsmail", True, False),
        ("postgresql+psycopg:///nhsmail?host=/run/postgresql", True, False),
        ("sqlite://", True, False),
    ],
)
def test_what_goes_in_clear_text_is_known(url: str, allow_clear: bool, is_clear: bool) -> None:
    assert url_fault(url, allow_clear=allow_clear) is None
    with closing(Database(url, allow_clear=allow_clear)) as database:
        assert database.is_clear is is_clear


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("server does not support ssl, but ssl was required", "adding to [state] the line: allow_clear = true"),
        ("ssl error: certificate verify failed", "`?sslrootcert=FILE` in the URL names a private authority"),
        ('server certificate for "other" does not match host name "db"', "name the server as the URL does"),
        ("connection refused", ""),
    ],
)
def test_the_advice_fits_the_refusal(said: str, words: str) -> None:
    assert words in advice_on(said)
    assert bool(advice_on(said)) is bool(words)


def test_the_advice_goes_along() -> None:
    assert JournalUnprotected("x", "Do this.").advice == "Do this."
