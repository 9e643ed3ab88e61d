"""What the certificate and the token cache say about their end."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from worker.login.expiry import Found
from worker.login.expiry_files import ExpiryFiles, last_use
from worker.login.token_cache import NAME, SignIn, TokenCache

ENDS = datetime(2027, 5, 4, 3, 2, 1, tzinfo=UTC)
AT = 1_800_000_000
USER = "pathology.results@nhs.net"


def pem(ends: datetime = ENDS) -> bytes:
    """A certificate of its own making, with its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(ends - timedelta(days=365))
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM) + private


@pytest.fixture
def certificate(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        file = tmp_path / "app.pem"
        file.write_bytes(content)
        file.chmod(0o600)
        return file

    return write


def files(certificate: Path | None = None, tokens: TokenCache | None = None) -> ExpiryFiles:
    return ExpiryFiles(certificate=certificate, mode="private", tokens=tokens)


def test_a_certificate_is_read_anew_each_time(certificate: Callable[[bytes], Path]) -> None:
    looked = files(certificate(pem()))
    assert looked.found(Found()) == Found(certificate_ends=ENDS.timestamp())
    certificate(pem(ENDS + timedelta(days=365)))
    assert looked.found(Found()).certificate_ends == (ENDS + timedelta(days=365)).timestamp()


def test_of_several_certificates_the_first_is_the_applications(certificate: Callable[[bytes], Path]) -> None:
    chain = pem() + pem(ENDS + timedelta(days=3650))
    assert files(certificate(chain)).found(Found()).certificate_ends == ENDS.timestamp()


@pytest.mark.parametrize("content", [b"", b"no certificate", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_what_is_no_certificate_has_no_known_end(certificate: Callable[[bytes], Path], content: bytes) -> None:
    assert files(certificate(content)).found(Found(certificate_ends=1.0)) == Found()


def test_a_certificate_that_may_not_be_read_has_no_known_end(
    certificate: Callable[[bytes], Path], tmp_path: Path
) -> None:
    file = certificate(pem())
    file.chmod(0o644)
    assert files(file).found(Found()) == Found()
    assert files(tmp_path / "none.pem").found(Found()) == Found()


def tokens(*, refreshed: int | None = AT, got: tuple[int, ...] = ()) -> str:
    """A token cache as msal serialises it."""
    stored: dict[str, Any] = {"AccessToken": {str(at): {"cached_at": str(at)} for at in got}}
    if refreshed is not None:
        stored["RefreshToken"] = {"one": {"secret": "S", "last_modification_time": str(refreshed)}}
    return json.dumps(stored)


@pytest.mark.parametrize(
    ("stored", "used"),
    [
        (tokens(), AT),
        (tokens(got=(AT + 50, AT + 10)), AT + 50),
        (tokens(got=(AT - 50,)), AT),
        (tokens(refreshed=None, got=(AT,)), None),
        ("{}", None),
        ("", None),
        ("[]", None),
        ('{"RefreshToken": {"one": {"last_modification_time": "soon"}}}', None),
        ('{"RefreshToken": {"one": {}}}', None),
    ],
)
def test_the_last_use_of_a_refresh_token_is_when_it_or_a_token_for_it_was_got(stored: str, used: int | None) -> None:
    assert last_use(SignIn("name", stored)) == used


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["RefreshToken", "AccessToken", "cached_at", "last_modification_time"]), inner
)))  # fmt: skip
def test_no_cache_breaks_the_look(stored: Any) -> None:
    assert last_use(SignIn("name", json.dumps(stored))) is None or isinstance(stored, dict)


def test_what_msal_writes_is_understood() -> None:
    import msal  # type: ignore[import-untyped]  # it comes without types

    cache = msal.SerializableTokenCache()
    answer = {"access_token": "A", "refresh_token": "R", "expires_in": 3600, "id_token_claims": {"sub": "s"}}
    about = {"client_id": "c", "scope": ["s"], "token_endpoint": "https://login.example.org/t/token"}
    cache.add({**about, "response": answer}, now=AT)
    assert last_use(SignIn("name", cache.serialize())) == AT
    cache.add({**about, "response": {**answer, "access_token": "B"}}, now=AT + 7200)
    assert last_use(SignIn("name", cache.serialize())) == AT + 7200


def test_a_sign_in_keeps_its_age_until_there_is_another(tmp_path: Path) -> None:
    cache = TokenCache(tmp_path)
    looked = files(tokens=cache)
    assert looked.found(Found()) == Found()
    cache.save(tokens(), user=USER)
    first = looked.found(Found())
    assert (first.signed_in_at, first.used_at) == (AT, AT)
    kept = cache.load()
    assert kept is not None
    assert first.sign_in
    assert first.sign_in not in kept.name
    cache.renew(kept, tokens(refreshed=AT + 900), user=USER)
    assert looked.found(first) == replace(first, used_at=AT + 900)
    cache.save(tokens(refreshed=AT + 1000), user=USER)
    other = looked.found(first)
    assert (other.signed_in_at, other.used_at) == (AT + 1000, AT + 1000)
    assert other.sign_in != first.sign_in


def test_a_cache_that_others_may_read_says_nothing(tmp_path: Path) -> None:
    cache = TokenCache(tmp_path)
    cache.save(tokens(), user=USER)
    file = tmp_path / NAME
    os.chmod(file, 0o644)  # noqa: PTH101 -- as Path.chmod
    assert files(tokens=cache).found(Found()) == Found()
