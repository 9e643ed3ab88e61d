"""The rule for connections to other machines: who is another machine, what weakens a connection, how TLS is done."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rig.tls import Authority
from worker.connections.tls_rule import (
    KEY_LOG,
    Target,
    Unprotected,
    ignore_key_log,
    is_loopback,
    postgres_options,
    refuse_weakening,
    system_authorities,
    unweakened,
    verified_context,
)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *("", "0.0.0.0", "::", "10.0.0.1", "127.1", "2130706433", "fe80::1"),  # noqa: S104 -- only compared
        *("localhost.", "localhost.example", "127.0.0.1.example", "my-localhost", " localhost"),
        *("%6cocalhost", "127.0.0.1%2eevil", "localhost;evil.example"),
    ],
)
def test_what_only_looks_like_this_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        ("redis://db.example/0", True),
        ("redis://127.0.0.1/0", False),
        ("redis://user@[::1]:6379/0", False),
        ("redis://127.0.0.1@db.example/0", True),
        ("rediss://db.example/0", False),
        ("REDISS://db.example/0", False),
        ("unix:///run/clamd.sock", False),
    ],
)
def test_what_leaves_in_clear_text(url: str, clear: bool) -> None:
    target = Target.of(url, encrypted=("rediss",))
    assert target.is_clear is clear
    if not clear:
        target.check("use rediss://")
        return
    with pytest.raises(Unprotected, match="use rediss://, or accept clear text by adding to this table the line"):
        target.check("use rediss://")
    Target.of(url, encrypted=("rediss",), allow_clear=True).check("use rediss://")


def test_a_port_that_is_none_is_not_quoted() -> None:
    with pytest.raises(ValueError, match=r"^has a port that is no number$"):
        Target.of("rediss://redis.example:Some-Word-1/0", encrypted=("rediss",))


def test_the_refusal_has_the_exact_line_to_add() -> None:
    with pytest.raises(Unprotected) as caught:
        Target("syslog", "log.example", table="[audit]").check("use /dev/log")
    assert str(caught.value) == (
        "syslog to another machine is clear text: use /dev/log, or accept clear text by adding to [audit] the line: "
        "allow_clear = true"
    )


def test_contexts_verify_and_log_no_keys(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_LOG, str(tmp_path / "keys"))
    for context in (verified_context(), verified_context(authority.ca_file), verified_context(authority.ca_file)):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2
        assert context.keylog_filename is None
        assert context.verify_flags == ssl.create_default_context().verify_flags
    assert (tmp_path / "keys").exists(), "what this compares with does log keys"


def test_an_authority_is_trusted_beside_the_systems_or_alone(authority: Authority) -> None:
    beside = verified_context(authority.ca_file).get_ca_certs()
    alone = verified_context(authority.ca_file, alone=True).get_ca_certs()
    assert len(alone) == 1
    assert len(beside) == len(verified_context().get_ca_certs()) + 1


def test_a_file_that_is_no_authority_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(ssl.SSLError):
        verified_context(tmp_path / "empty")
    with pytest.raises(FileNotFoundError):
        verified_context(tmp_path / "nothing")


def test_the_key_log_is_forgotten() -> None:
    environ = {KEY_LOG: "/tmp/keys", "PATH": "/bin"}  # noqa: S108 -- only compared
    ignore_key_log(environ)
    ignore_key_log(environ)
    assert environ == {"PATH": "/bin"}


# -- parameters and options

WEAK = ("", "0", "false", "False", "NO", "none", "off", "CERT_NONE", "optional", "allow", "prefer", "require")
ABOUT_TLS = ("ssl", "ssl_cert_reqs", "ssl_check_hostname", "tls", "verify", "ssl_verify_cert", "sslmode", "use_ssl")


@given(name=st.sampled_from(ABOUT_TLS), value=st.sampled_from(WEAK))
def test_no_parameter_weakens_tls(name: str, value: str) -> None:
    with pytest.raises(Unprotected, match=name):
        unweakened(f"heartbeat=10&{name}={value}", {"heartbeat"})
    with pytest.raises(Unprotected, match=name):
        refuse_weakening({"deep": [{"a": 1}, {name: value}]})


@given(name=st.from_regex(r"(?!heartbeat)[a-z_]{1,12}", fullmatch=True), value=st.sampled_from([*WEAK, "x", "1"]))
def test_parameters_that_nobody_knows_are_refused(name: str, value: str) -> None:
    strong = value == "1" and any(word in name for word in ("ssl", "tls", "verify", "cert", "secure"))
    if strong:
        return
    with pytest.raises(ValueError, match=name):
        unweakened(f"{name}={value}", {"heartbeat"})


def test_parameters_that_ask_for_what_is_done_anyway() -> None:
    query = "heartbeat=10&ssl_cert_reqs=required&ssl_check_hostname=true&ssl_ca_certs=/x"
    assert unweakened(query, {"heartbeat", "ssl_ca_certs"}) == {"heartbeat": "10", "ssl_ca_certs": "/x"}


@pytest.mark.parametrize(
    "options",
    [
        {"allow_http": "true"},
        {"aws_allow_invalid_certificates": "true"},
        {"azure_storage_use_emulator": "true"},
        {"TrustServerCertificate": "yes"},
        {"ssl_disabled": "true"},
        {"insecure": True},
        {"is_secure": False},
        {"ssl": {}},
        {"ssl": None},
        {"verify": ssl.CERT_NONE},
        {"endpoint_url": "http://store.example"},
        {"Endpoint": "HTTP://store.example"},
        {"client-config": {"proxies_config": {"proxy_use_forwarding_for_https": True}}},
        {"predefined_queues": {"mail": {"url": "http://sqs.example/1/mail"}}},
    ],
)
def test_options_that_weaken_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(Unprotected):
        refuse_weakening(options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"region": "eu-west-2", "endpoint": "https://store.example", "virtual_hosted_style_request": "false"},
        {"endpoint": "http://127.0.0.1:9000", "proxy_url": "http://proxy.example:3128"},
        {"server_side_encryption": "aws:kms", "disable_tagging": "true", "skip_signature": "false"},
        {"ssl_ca": "/etc/ca.pem", "ssl_verify_cert": "true", "sslrootcert": "", "charset": "utf8mb4"},
        {"is_secure": True, "predefined_queues": {"mail": {"url": "https://sqs.example/1/mail"}}, "empty": []},
    ],
)
def test_options_that_weaken_nothing(options: dict[str, Any]) -> None:
    refuse_weakening(options)


# -- PostgreSQL

HOSTS = ("", "localhost", "127.0.0.1", "::1", "/run/postgresql", "@abstract", "db.example", "10.0.0.1", "0.0.0.0")  # noqa: S104 -- only compared
MODES = ("", "disable", "allow", "prefer", "require", "verify-ca", "verify-full", "rubbish")
hosts = st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3).map(",".join)
parameters = st.fixed_dictionaries(
    {},
    optional={
        "host": hosts,
        "hostaddr": st.sampled_from(["", "127.0.0.1", "10.0.0.1"]),
        "sslmode": st.sampled_from(MODES),
        "gssencmode": st.sampled_from(["", "disable", "prefer", "require"]),
        "service": st.sampled_from(["", "other"]),
        "sslrootcert": st.sampled_from(["", "/etc/ca.pem", "system"]),
        "ssl_min_protocol_version": st.sampled_from(["", "TLSv1", "TLSv1.2", "TLSv1.3"]),
        "conninfo": st.just("sslmode=disable"),
        "sslkeylogfile": st.just("/keys"),
        "application_name": st.just("worker"),
    },
)
variables = st.fixed_dictionaries(
    {},
    optional={
        "PGHOST": st.sampled_from(HOSTS),
        "PGHOSTADDR": st.sampled_from(["", "127.0.0.1", "10.0.0.1"]),
        "PGSERVICE": st.sampled_from(["", "other"]),
        "PGSSLMODE": st.sampled_from(MODES),
        "PGSSLROOTCERT": st.just("/etc/other.pem"),
        "PGGSSENCMODE": st.just("require"),
    },
)


def may_leave(given: dict[str, str], environ: dict[str, str]) -> bool:
    """Whether libpq might connect to another machine, written down once more and more simply."""
    named = f"{given.get('host') or environ.get('PGHOST', '')},{given.get('hostaddr') or environ.get('PGHOSTADDR', '')}"
    here = {"", "localhost", "127.0.0.1", "::1", "/run/postgresql", "@abstract"}
    return not set(named.split(",")) <= here or bool(given.get("service") or environ.get("PGSERVICE"))


@given(given=parameters, environ=variables, allow_clear=st.booleans())
def test_whatever_is_said_postgresql_is_verified_or_clear_text_that_is_accepted(
    given: dict[str, str], environ: dict[str, str], allow_clear: bool
) -> None:
    try:
        told = postgres_options(given, allow_clear=allow_clear, table="[state]", environ=environ)
    except Unprotected:
        return
    if not may_leave(given, environ):
        assert told == {}
        return
    final = {**given, **told}  # as the engine passes it on; libpq prefers it to any variable
    assert final["gssencmode"] == "disable"
    if final["sslmode"] == "disable":
        assert allow_clear
        return
    assert final["sslmode"] == "verify-full"
    assert final["ssl_min_protocol_version"] in ("TLSv1.2", "TLSv1.3")
    assert final.get("sslrootcert") or environ.get("PGSSLROOTCERT")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sslmode": "disable"}, "accept clear text by adding to [state] the line: allow_clear = true"),
        ({"sslmode": "require"}, "sslmode=require doesn't verify the server"),
        ({"sslmode": "verify-ca"}, "sslmode=verify-ca doesn't verify the server"),
        ({"sslmode": "Some-Password-1"}, "sslmode=… doesn't verify"),
        ({"gssencmode": "require"}, "gssencmode isn't TLS"),
        ({"ssl_min_protocol_version": "TLSv1"}, "less than TLSv1.2"),
        ({"conninfo": "host=db"}, "in the URL itself"),
        ({"sslkeylogfile": "/keys"}, "sslkeylogfile isn't possible"),
    ],
)
def test_what_postgresql_is_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(Unprotected) as caught:
        postgres_options({"host": "db.example", **given}, allow_clear=False, table="[state]", environ={})
    assert words in str(caught.value)


def test_the_systems_authorities_are_trusted_unless_others_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    remote = {"host": "db.example"}
    assert postgres_options(remote, allow_clear=False, environ={})["sslrootcert"] == system_authorities()
    for more, environ in (({"sslrootcert": "/ca.pem"}, {}), ({}, {"PGSSLROOTCERT": "/ca.pem"})):
        assert "sslrootcert" not in postgres_options({**remote, **more}, allow_clear=False, environ=environ)
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").touch()
    assert "sslrootcert" not in postgres_options(remote, allow_clear=False, environ={})


def test_the_systems_authorities(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    assert system_authorities() == str(authority.ca_file)
    monkeypatch.setattr("worker.connections.tls_rule._BUNDLES", ())
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    assert system_authorities() == "system"
