"""No secret reaches a server without TLS, with a certificate of its own making, or with another's name.

Whatever a URL, an option or the environment says. Each client is tried against each such server with hundreds of
variants of its settings; and once with everything right, where the secret does arrive.
"""

import base64
import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from unittest import mock
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from handlers.archive import Archive
from handlers.database import Database as DatabaseHandler
from handlers.queue import Queue
from handlers.webhook import Webhook
from tests.rig.bad_servers import BAD, ELSEWHERE, BadServer, Fault, Protocol, certificates
from tests.rig.messages import report
from tests.rig.tls import Authority
from worker.journal.database import Database
from worker.login.registration import OAuthConfig
from worker.login.token_endpoint import Wire
from worker.logs.redaction import Secret
from worker.mailbox.imap_connection import Endpoint, ImapConnection
from worker.observe.alerts import Alert, Phase, Rule
from worker.observe.channels import Relay
from worker.observe.channels import Webhook as AlertWebhook

SECRET: Final = "Silver-Orchard-83"
MARK: Final = "Potassium-71-umbrella"
ACCOUNT: Final = "pathology.results@nhs.net"
SOON: Final = timedelta(seconds=3)
ALERT: Final = Alert(Rule.HALTED, Phase.FIRING, ACCOUNT, datetime(2026, 11, 23, 14, 5, tzinfo=UTC), 5)
Servers = Callable[[Protocol, Fault], BadServer]


@dataclass(frozen=True)
class Variant:
    """What somebody may have set. query: of the URL. options: of the library. clear: `allow_clear`."""

    query: tuple[tuple[str, str], ...] = ()
    options: Mapping[str, Any] | None = None
    scheme: str = ""
    tail: str = ""
    clear: bool = False


@dataclass(frozen=True)
class Client:
    """tries: connects, and sends a secret if it can. variants: what may be set."""

    protocol: Protocol
    tries: Callable[[int, Path, Variant], object]
    variants: st.SearchStrategy[Variant]
    tells: tuple[str, ...] = (SECRET,)
    """What the server with the right certificate gets to see, any of it."""


@pytest.fixture(scope="module")
def servers(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    issued = certificates(authority, tmp_path_factory.mktemp("bad"))
    found: dict[tuple[Protocol, Fault], BadServer] = {}
    with contextlib.ExitStack() as stack:

        def server(protocol: Protocol, fault: Fault) -> BadServer:
            if (protocol, fault) not in found:
                found[protocol, fault] = stack.enter_context(BadServer(protocol, fault, issued))
            found[protocol, fault].forget()
            return found[protocol, fault]

        yield server


def url(variant: Variant, scheme: str, port: int, path: str, user: str = "") -> str:
    query = f"?{urlencode(variant.query)}" if variant.query else ""
    return (
        f"{variant.scheme or scheme}://{user}{ELSEWHERE}:{port}{path}{query}{variant.tail.replace('PORT', str(port))}"
    )


# -- the clients


def to_database(port: int, ca: Path, variant: Variant) -> None:
    query = {"sslrootcert": str(ca), **dict(variant.query)}
    where = f"postgresql+psycopg://worker@{ELSEWHERE}:{port}/mail?{urlencode(query)}"
    if "host" in query:
        where = where.replace(f"{ELSEWHERE}:{port}/", "/", 1)
        where = where.replace("PORT", str(port))
    settings = DatabaseHandler.Settings(url=where, password=SecretStr(SECRET), allow_clear=variant.clear)
    with contextlib.closing(DatabaseHandler(settings)) as handler:
        handler(report())


def to_journal(port: int, ca: Path, variant: Variant) -> None:
    query = {"sslrootcert": str(ca), **dict(variant.query)}
    where = f"postgresql+psycopg://worker:{SECRET}@{ELSEWHERE}:{port}/journal?{urlencode(query)}"
    if "host" in query:
        where = where.replace(f"{ELSEWHERE}:{port}/", "/", 1).replace("PORT", str(port))
    with contextlib.closing(Database(where, allow_clear=variant.clear)) as journal, journal.read():
        pass


def to_queue(scheme: str) -> Callable[[int, Path, Variant], None]:
    def tries(port: int, ca: Path, variant: Variant) -> None:
        settings = Queue.Settings(
            url=url(variant, scheme, port, "/0", "worker@"),
            password=SecretStr(SECRET),
            queue="mail",
            timeout=SOON,
            ca_file=ca,
            transport_options=dict(variant.options or {}),
            allow_clear=variant.clear,
        )
        with contextlib.closing(Queue(settings)) as handler:
            handler(report(text=MARK))

    return tries


def to_webhook(port: int, ca: Path, variant: Variant) -> None:
    settings = Webhook.Settings(
        url=url(variant, "https", port, "/mail"), bearer_token=SecretStr(SECRET), ca_file=ca, timeout=SOON
    )
    with contextlib.closing(Webhook(settings)) as handler:
        handler(report(text=MARK))


def to_alert_webhook(port: int, ca: Path, variant: Variant) -> None:
    with mock.patch.dict(os.environ, SSL_CERT_FILE=str(ca)):
        hook = AlertWebhook("hook", Secret(url(variant, "https", port, f"/{SECRET}")))
    with contextlib.closing(hook):
        hook.send(ALERT)


def to_objects(port: int, ca: Path, variant: Variant) -> None:
    options = {name: value.replace("PORT", str(port)) for name, value in (variant.options or {}).items()}
    where = variant.scheme or "s3"
    clear = variant.tail.replace("PORT", str(port))
    here = {"s3": {"access_key_id": SECRET}, "az": {"account_name": SECRET}, "gs": {}}[where]
    endpoint = {} if where == "gs" else {"endpoint": f"https://{ELSEWHERE}:{port}"}
    key = base64.b64encode(SECRET.encode()).decode()
    if where == "gs":
        google = {"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": True}
        key = json.dumps({"gcs_base_url": clear or f"https://{ELSEWHERE}:{port}", **google})
    settings = Archive.Settings(
        url=f"{where}://{SECRET.lower()}/{MARK}",
        options={**({} if "endpoint_url" in options else endpoint), **here, **options},
        secret=SecretStr(key),
        ca_file=ca,
        timeout=timedelta(seconds=1),
    )
    Archive(settings)(report(text=MARK))


def to_token_endpoint(port: int, ca: Path, variant: Variant) -> None:
    wire = Wire(OAuthConfig("tenant", "client", ca_file=ca, timeout=3.0))
    with contextlib.closing(wire):
        wire.post(url(variant, "https", port, "/token"), data={"client_secret": SECRET}, **dict(variant.options or {}))


def to_mailbox(port: int, ca: Path, _variant: Variant) -> None:
    connection = ImapConnection(Endpoint(ELSEWHERE, port, ca, 3.0, 3.0))
    try:
        connection.connect()
        connection.login(ACCOUNT, SECRET)
    finally:
        connection.close(log_out=False)


def to_relay(port: int, ca: Path, variant: Variant) -> None:
    Relay("relay", ELSEWHERE, port, sender=ACCOUNT, to=[ACCOUNT], allow_clear=variant.clear, ca_file=ca).send(ALERT)


# -- what may be set

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full", "none", "")
PARAMETERS: Final = (
    *(("gssencmode", mode) for mode in ("require", "prefer", "disable")),
    *(("sslnegotiation", word) for word in ("direct", "postgres")),
    *(("ssl_min_protocol_version", version) for version in ("TLSv1", "TLSv1.2", "")),
    *(("sslrootcert", name) for name in ("system", "", "/nowhere")),
    *(("host", host) for host in (f"{ELSEWHERE}:PORT", f"localhost:PORT,{ELSEWHERE}:PORT")),
    *(("requiressl", "0"), ("sslsni", "0"), ("channel_binding", "disable"), ("hostaddr", "127.0.0.1")),
    *(
        ("service", "clear"),
        ("sslcertmode", "disable"),
        ("sslkeylogfile", "/nowhere"),
        ("conninfo", "sslmode=disable"),
    ),
)
QUERIES: Final = (
    *(("ssl_cert_reqs", word) for word in ("none", "CERT_NONE", "optional", "required", "0", "")),
    *(("ssl_check_hostname", word) for word in ("false", "False", "0", "true")),
    *(("ssl", word) for word in ("", "0", "1", "false", "true", "{}")),
    *(("ssl_min_version", "TLSv1"), ("ssl_verify", "0"), ("verify", "False"), ("tls", "off"), ("secure", "no")),
    *(("transport", "amqp"), ("transport", "redis"), ("virtual_host", "other"), ("credential_provider", "x.y")),
    *(("alternates", f"amqp://worker@{ELSEWHERE}"), ("heartbeat", "0"), ("login_method", "PLAIN")),
)
OPTIONS: Final = (
    *({"ssl": value} for value in (False, True, None, {}, {"cert_reqs": 0}, {"context": {"check_hostname": False}})),
    *({"is_secure": False}, {"verify": False}, {"ssl_cert_reqs": "none"}, {"ssl_check_hostname": False}),
    *({"host": f"{ELSEWHERE}:1"}, {"context": {}}, {"insecure": True}, {"connection_class": "redis.Connection"}),
    {},
)
STORE_OPTIONS: Final = (
    *({name: f"http://{ELSEWHERE}:PORT"} for name in ("endpoint", "endpoint_url", "aws_endpoint_url", "AWS_ENDPOINT")),
    *({name: f"HTTP://{ELSEWHERE}:PORT"} for name in ("endpoint", "azure_storage_endpoint", "azure_endpoint")),
    *({name: "true"} for name in ("allow_http", "aws_allow_http", "azure_allow_http", "allow_invalid_certificates")),
    *({name: "true"} for name in ("aws_allow_invalid_certificates", "use_emulator", "azure_storage_use_emulator")),
    *({"endpoint": f"http://{ELSEWHERE}:PORT", "allow_http": "true"}, {"region": "eu-west-2"}, {}),
)
ENVIRONMENT: Final = (
    *(("PGSSLMODE", mode) for mode in MODES[:5]),
    *(("PGGSSENCMODE", "require"), ("PGREQUIRESSL", "0"), ("PGHOSTADDR", "127.0.0.1"), ("PGSSLROOTCERT", "CA")),
    *(("PGSSLMINPROTOCOLVERSION", "TLSv1"), ("PGSERVICE", "clear"), ("PGSERVICEFILE", "SERVICES")),
    *((name, "CA") for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")),
    *((name, "") for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "AWS_CA_BUNDLE")),
    *(("PYTHONHTTPSVERIFY", "0"), ("SSL_VERIFY", "0"), ("SSL_CERT_DIR", "/nowhere"), ("REDIS_SSL_CERT_REQS", "none")),
    *(("AWS_ALLOW_HTTP", "true"), ("AWS_ALLOW_INVALID_CERTIFICATES", "true"), ("AZURE_ALLOW_HTTP", "true")),
    *(("AZURE_ALLOW_INVALID_CERTIFICATES", "true"), ("AZURE_STORAGE_USE_EMULATOR", "true")),
    *(("AWS_ENDPOINT_URL", "HTTP"), ("AZURITE_BLOB_STORAGE_URL", "HTTP"), ("AZURE_STORAGE_ENDPOINT", "HTTP")),
)


def some_of(parts: tuple[Any, ...], most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(parts), max_size=most).map(tuple)


def merged(parts: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}


# Much of that is refused before anything connects. These are not, so that the connections are tried as often.
TAME_PARAMETERS: Final = tuple(
    (name, value)
    for name, value in PARAMETERS
    if name
    in ("host", "hostaddr", "service", "sslnegotiation", "sslsni", "channel_binding", "sslcertmode", "requiressl")
)
TAME_QUERIES: Final = (("ssl_cert_reqs", "required"), ("ssl_check_hostname", "true"), ("heartbeat", "0"))
TAME_STORE_OPTIONS: Final[tuple[dict[str, str], ...]] = (
    {"region": "eu-west-2"},
    {"virtual_hosted_style_request": "false"},
    {},
)


modes = st.sampled_from(((), *((("sslmode", mode),) for mode in MODES)))
tame_modes = st.sampled_from(((), (("sslmode", "verify-full"),), (("sslmode", ""),)))
postgres = st.one_of(
    [
        st.builds(lambda mode, more, clear: Variant((*mode, *more), clear=clear), first, some_of(parts), st.booleans())
        for first, parts in ((modes, PARAMETERS), (tame_modes, TAME_PARAMETERS))
    ]
)
environments = some_of(ENVIRONMENT, 4)
requests_like = st.builds(
    Variant,
    query=some_of(QUERIES, 2),
    scheme=st.sampled_from(["https", "http", "HTTPS", "Http"]),
)
stores = st.one_of(
    [
        st.builds(
            lambda scheme, options, tail: Variant(scheme=scheme, options=merged(options), tail=tail),
            st.sampled_from(["s3", "az", "gs"]),
            some_of(options, 2),
            st.sampled_from(["", f"http://{ELSEWHERE}:PORT"]),
        )
        for options in (STORE_OPTIONS, TAME_STORE_OPTIONS)
    ]
)


def brokers(scheme: str) -> st.SearchStrategy[Variant]:
    clear = scheme[:-1]
    tail = f";{clear}://worker:{SECRET}@{ELSEWHERE}:PORT/0"
    wild = st.builds(
        lambda query, options, scheme, tail, allow: Variant(query, merged(options), scheme, tail, allow),
        some_of(QUERIES),
        some_of(OPTIONS, 2),
        st.sampled_from([scheme, scheme, clear]),
        st.sampled_from(["", "", tail]),
        st.booleans(),
    )
    return st.one_of(wild, st.builds(Variant, query=some_of(TAME_QUERIES, 2), clear=st.booleans()))


CLIENTS: Final = {
    "database": Client("postgres", to_database, postgres),
    "journal": Client("postgres", to_journal, postgres),
    "AMQP": Client("amqps", to_queue("amqps"), brokers("amqps")),
    "Redis": Client("rediss", to_queue("rediss"), brokers("rediss")),
    "webhook": Client("https", to_webhook, requests_like, (SECRET, MARK)),
    "alerts": Client("https", to_alert_webhook, requests_like, (SECRET, "Halted")),
    "token endpoint": Client("https", to_token_endpoint, requests_like),
    "store": Client("https", to_objects, stores, (MARK,)),
    "mailbox": Client("imaps", to_mailbox, st.just(Variant())),
    "relay": Client("smtp", to_relay, st.builds(Variant, clear=st.booleans()), ("Halted",)),
}
EXAMPLES: Final = {
    "database": 120,
    "journal": 120,
    "webhook": 60,
    "alerts": 60,
    "token endpoint": 60,
    "AMQP": 50,
    "Redis": 50,
    "store": 40,
    "mailbox": 25,
    "relay": 25,
}


# -- the tests


def told(data: bytes, words: tuple[str, ...]) -> list[str]:
    """Which of these words somebody can read in the bytes, plain or in base64."""
    found = []
    for word in words:
        plain = word.encode()
        coded = [base64.b64encode(b"x" * lead + plain)[4 if lead else 0 : -4] for lead in range(3)]
        if any(form in data for form in (plain, *coded)):
            found.append(word)
    return found


def attempt(client: Client, server: BadServer, authority: Authority, variant: Variant) -> str:
    """Let the client try. Returns what it raised: every outcome is right as long as nothing was told."""
    # Let the authority be one that everybody trusts, so that libraries that forget ours don't pass for careful ones.
    everybody = {"SSL_CERT_FILE": str(authority.ca_file), **os.environ}
    try:
        # kombu waits for two seconds before it tries a broker again
        with mock.patch.dict(os.environ, everybody), mock.patch("kombu.utils.functional.sleep"):
            client.tries(server.port, authority.ca_file, variant)
    except Exception as error:  # noqa: BLE001 -- each library raises its own
        return type(error).__name__
    finally:
        server.settled()
    return "nothing"


def tells_nothing(client: Client, server: BadServer, authority: Authority, variant: Variant) -> str:
    """Let the client try, and see that nobody could read anything. Returns what the client raised."""
    outcome = attempt(client, server, authority, variant)
    secrets = (SECRET, MARK, "Halted", "AWS4-HMAC")
    assert not told(bytes(server.inside), secrets), "through TLS that isn't verified"
    assert variant.clear or not told(bytes(server.clear), secrets), "in clear text"
    return outcome


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("name", CLIENTS)
def test_no_secret_reaches_a_bad_server_as_things_are_set_up(
    name: str, fault: Fault, servers: Servers, authority: Authority
) -> None:
    tells_nothing(CLIENTS[name], servers(CLIENTS[name].protocol, fault), authority, Variant())


@pytest.mark.parametrize(
    ("name", "fault", "variant"),
    [
        ("Redis", "self-signed", Variant((("ssl_cert_reqs", "none"),))),
        ("Redis", "another's name", Variant((("ssl_check_hostname", "false"),))),
        ("Redis", "no TLS", Variant(tail=f";redis://worker:{SECRET}@{ELSEWHERE}:PORT/0")),
        ("AMQP", "another's name", Variant((("ssl", "1"),))),
        ("AMQP", "no TLS", Variant(options={"ssl": False})),
        ("database", "no TLS", Variant((("sslmode", "prefer"),))),
        ("database", "self-signed", Variant((("sslmode", "require"), ("sslrootcert", "")))),
        ("database", "another's name", Variant((("sslmode", "verify-ca"),))),
        ("journal", "no TLS", Variant((("sslmode", "disable"),))),
        ("store", "no TLS", Variant(options={"endpoint_url": f"http://{ELSEWHERE}:PORT"})),
    ],
)
def test_no_secret_reaches_a_bad_server_whatever_is_set(
    name: str, fault: Fault, variant: Variant, servers: Servers, authority: Authority
) -> None:
    tells_nothing(CLIENTS[name], servers(CLIENTS[name].protocol, fault), authority, variant)


def test_the_environment_cannot_name_an_emulator(
    servers: Servers, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = servers("https", "no TLS")
    monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", f"http://{ELSEWHERE}:{server.port}")
    tells_nothing(CLIENTS["store"], server, authority, Variant(scheme="az"))


@pytest.mark.slow
@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("name", CLIENTS)
def test_no_secret_reaches_a_bad_server(
    name: str, fault: Fault, servers: Servers, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    client = CLIENTS[name]
    services = tmp_path_factory.mktemp("services") / "services.conf"
    services.write_text("[clear]\nsslmode=disable\ngssencmode=disable\n")

    @settings(max_examples=EXAMPLES[name], suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
    @given(variant=client.variants, environment=environments)
    def never(variant: Variant, environment: tuple[tuple[str, str], ...]) -> None:
        server = servers(client.protocol, fault)
        words = {
            "CA": str(authority.ca_file),
            "SERVICES": str(services),
            "HTTP": f"http://{ELSEWHERE}:{server.port}",
        }
        with mock.patch.dict(os.environ, {one: words.get(value, value) for one, value in environment}):
            event(tells_nothing(client, server, authority, variant))

    never()


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        *((name, "") for name in CLIENTS),
        pytest.param("store", "az", marks=pytest.mark.slow),
        pytest.param("store", "gs", marks=pytest.mark.slow),
    ],
)
def test_the_secret_arrives_where_everything_is_right(
    name: str, scheme: str, servers: Servers, authority: Authority
) -> None:
    client = CLIENTS[name]
    server = servers(client.protocol, "none")
    attempt(client, server, authority, Variant(scheme=scheme))
    assert told(bytes(server.inside), client.tells) == list(client.tells)
    assert not told(bytes(server.clear), client.tells)


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("database", Variant(clear=True)),
        ("journal", Variant(clear=True)),
        ("AMQP", Variant(scheme="amqp", clear=True)),
        ("Redis", Variant(scheme="redis", clear=True)),
        ("relay", Variant(clear=True)),
    ],
)
def test_clear_text_that_is_accepted_arrives(
    name: str, variant: Variant, servers: Servers, authority: Authority
) -> None:
    client = CLIENTS[name]
    server = servers(client.protocol, "no TLS")
    attempt(client, server, authority, variant)
    assert told(bytes(server.clear), client.tells) == list(client.tells)


@pytest.mark.parametrize("mode", MODES[1:5])
def test_clear_text_that_is_accepted_is_never_tls_without_verification(mode: str, authority: Authority) -> None:
    for tries in (to_database, to_journal):
        with pytest.raises(ValueError, match=f"sslmode={mode} doesn't verify"):
            tries(1, authority.ca_file, Variant((("sslmode", mode),), clear=True))
