"""Each flow at an authorisation server that nobody here wrote, in front of a Dovecot that checks its tokens itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from imapclient import IMAPClient
from imapclient.exceptions import LoginError
from jwt.algorithms import RSAAlgorithm

from tests.acceptance.oidc.conftest import (
    SECRET,
    MakeSigned,
    application_of,
    authorising,
    login,
    sign_in,
)
from tests.rig.dovecot import Dovecot, Mailbox
from tests.rig.letters import letters
from tests.rig.oidc_provider import DEVICE, OidcProvider
from tests.rig.tls import Authority
from tests.rig.worker import Worker, eventually

pytestmark = pytest.mark.slow


def handles(worker: Worker, mailbox: Mailbox, count: int = 3) -> None:
    """It gets in with a token and handles what is there: the server never sees a password."""
    before, sent = len(worker.handed()), len(mailbox.history)
    mailbox.append_many("INBOX", letters(count, start=before + 1))
    with worker.running():
        eventually(lambda: len(worker.handed()) == before + count)
    assert worker.reconcile()["unaccounted"] == 0
    assert login(worker) == ("ready", 0)
    assert len(mailbox.history) == sent


# -- client credentials ------------------------------------------------------------------------------------------------


def test_client_credentials_by_secret(dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned) -> None:
    worker = make_signed("oauth2-client")
    handles(worker, dovecot)
    assert oidc.grants(application_of(worker)) == ["client_credentials"] * 2, "one for the worker, one for `reconcile`"
    assert not (worker.state / "oauth.json").exists()


def test_client_credentials_by_certificate(
    dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned, tmp_path: Path
) -> None:
    """The package checks msal's assertion: signature, audience, lifetime, and that it is used once."""
    key, file = certificate(tmp_path)
    application = oidc.register(mailbox=dovecot.address, jwks=[key])
    worker = make_signed("oauth2-client", application=application)
    worker.configure(**{"account.oauth": {"client_secret_file": None, "certificate_file": str(file)}})
    handles(worker, dovecot)
    assert oidc.grants(application) == ["client_credentials"] * 2


def test_a_certificate_that_isnt_registered(
    dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned, tmp_path: Path
) -> None:
    key, _ = certificate(tmp_path)
    _, other = certificate(tmp_path)
    application = oidc.register(mailbox=dovecot.address, jwks=[key])
    worker = make_signed("oauth2-client", application=application)
    worker.configure(**{"account.oauth": {"client_secret_file": None, "certificate_file": str(other)}})
    assert worker.once() != 0
    assert [one.error for one in oidc.asked_by(application)] == ["invalid_client"]
    assert (login(worker)[1], dovecot.history) == (0, [])


def test_a_wrong_secret_and_then_the_right_one_without_a_restart(
    dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned
) -> None:
    application = oidc.register(mailbox=dovecot.address, secret=SECRET)
    worker = make_signed("oauth2-client", application=application, secret="wrong-secret-1X~")
    dovecot.append_many("INBOX", letters(2))
    with worker.running() as running:
        eventually(lambda: worker.events("login.rejected"))
        eventually(lambda: login(worker)[0] == "halted")
        assert running.alive
        refused = oidc.asked_by(application)
        (worker.folder / "client-secret").write_text(SECRET)
        eventually(lambda: len(worker.handed()) == 2)
    assert {one.error for one in refused} == {"invalid_client"}
    assert len(refused) <= 3, "tokens have a limit of their own"
    assert (login(worker), dovecot.history) == (("ready", 0), [])


def certificate(folder: Path) -> tuple[dict[str, str], Path]:
    """A certificate of the application's own: the key that is registered, and the file for the worker."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "application")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=90))
    signed = made.sign(key, hashes.SHA256())
    file = folder / f"application-{signed.serial_number}.pem"
    file.touch(mode=0o600)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), file


# -- device code -------------------------------------------------------------------------------------------------------


def test_device(dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned) -> None:
    worker = make_signed("oauth2-device")
    assert worker.once() == 78
    answer = sign_in(worker, oidc)
    assert answer.code == 0, answer
    assert f"open {oidc.issuer}/device in a browser" in answer.out, "its endpoint sends no text for the person"
    handles(worker, dovecot)
    assert oidc.grants(application_of(worker)) == [DEVICE]
    assert (worker.state / "oauth.json").stat().st_mode & 0o777 == 0o600


def test_a_running_worker_takes_the_sign_in_at_once(
    dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned
) -> None:
    worker = make_signed("oauth2-device")
    dovecot.append_many("INBOX", letters(2))
    with worker.running() as running:
        eventually(lambda: worker.events("worker.not_ready"))
        assert sign_in(worker, oidc).code == 0
        eventually(lambda: len(worker.handed()) == 2)
        assert running.alive


def test_a_device_code_that_is_declined(oidc: OidcProvider, make_signed: MakeSigned) -> None:
    worker = make_signed("oauth2-device")
    with authorising(worker) as begun, oidc.person() as person:
        person.decline_code(begun.where, begun.code)
        answer = begun.finish()
    assert (answer.code, "declined" in answer.err) == (75, True), answer
    assert oidc.asked_by(application_of(worker))[-1].error == "access_denied"
    assert not (worker.state / "oauth.json").exists()


def test_a_device_code_that_ran_out(oidc: OidcProvider, make_signed: MakeSigned) -> None:
    oidc.configure(code_lasts=2)
    worker = make_signed("oauth2-device")
    with authorising(worker) as begun:
        answer = begun.finish()
    assert (answer.code, "before the code expired" in answer.err) == (75, True), answer
    assert {one.error for one in oidc.asked_by(application_of(worker))} <= {"authorization_pending", "expired_token"}
    assert not (worker.state / "oauth.json").exists()


def test_somebody_else_signs_in(oidc_dovecot: Dovecot, oidc: OidcProvider, make_signed: MakeSigned) -> None:
    other = oidc_dovecot.add_user("somebody.else@nhs.net", "Green-Harbour-41")
    worker = make_signed("oauth2-device")
    answer = sign_in(worker, oidc, other.address)
    assert answer.code != 0
    assert f"isn't {worker.settings['account']['address']}" in answer.err
    assert not (worker.state / "oauth.json").exists()


# -- the account's password, by a grant that the package doesn't have: it is ours --------------------------------------


def test_password(dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned) -> None:
    worker = make_signed("oauth2-password")
    assert worker.once() == 0
    assert dovecot.history == ["ok"], "sent once, to the authorisation server"
    handles(worker, dovecot)
    assert oidc.grants(application_of(worker)) == ["password"]


def test_a_wrong_password_is_counted_like_any_other(
    dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned
) -> None:
    worker = make_signed("oauth2-password")
    for number in range(11):
        (worker.folder / "password").write_text(f"Harbour-Colour-{number}")
        assert worker.once() in {75, 77}
    assert dovecot.history == ["fail"] * 8
    assert (login(worker), dovecot.locked) == (("halted", 8), False)
    assert [one.error for one in oidc.asked_by(application_of(worker))] == ["invalid_grant"] * 8


# -- the mail server checks what it is given ---------------------------------------------------------------------------


def test_the_mail_server_takes_only_this_servers_tokens(
    dovecot: Mailbox, oidc: OidcProvider, authority: Authority
) -> None:
    """What the tests above show is worth what this Dovecot refuses."""
    application = oidc.register(mailbox=dovecot.address, secret=SECRET)
    form = {"grant_type": "client_credentials", "client_id": application, "client_secret": SECRET}
    with oidc.person() as person:
        asked = person.post(f"{oidc.issuer}/token", {**form, "scope": "https://outlook.office365.com/.default"})
    token = asked.json()["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["roles"], claims["upn"], claims["iss"]) == (["IMAP.AccessAsApp"], dovecot.address, oidc.issuer)
    assert claims["aud"] == "https://outlook.office365.com"

    key = (oidc.root / "signing.pem").read_text()
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def signed(by: str | rsa.RSAPrivateKey = key, **changed: object) -> str:
        return jwt.encode({**claims, **changed}, by, algorithm="RS256", headers={"kid": "rig"})

    refused = {
        "another's signature": signed(stranger),
        "no signature": jwt.encode(claims, "", algorithm="none"),
        "another issuer": signed(iss=f"{oidc.url}/another/v2.0"),
        "another mailbox": signed(upn="somebody.else@nhs.net"),
        "expired": signed(exp=claims["iat"] - 60),
        "cut short": token[:-4],
    }
    opened = {name: opens(dovecot, authority, bad) for name, bad in refused.items()}
    assert not any(opened.values()), opened
    assert opens(dovecot, authority, token)
    assert opens(dovecot, authority, signed())


def opens(mailbox: Mailbox, authority: Authority, token: str) -> bool:
    """Whether a token opens the mailbox."""
    with IMAPClient(mailbox.host, mailbox.port, ssl_context=authority.client_context(), timeout=10) as client:
        try:
            client.oauth2_login(mailbox.address, token)
        except LoginError:
            return False
        return b"EXISTS" in client.select_folder("INBOX", readonly=True)
