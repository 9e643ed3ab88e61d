"""`archive` on an S3-compatible server. Azure's and Google's stores go the same way, but can't be had here."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from handlers.archive import Archive
from tests.rig.cut import Cut
from tests.rig.https import Answer, HttpsServer, Request
from tests.rig.messages import PDF, UNPARSABLE, key_of, message_of, report
from tests.rig.moto import SECRET, Moto
from tests.rig.tls import ADDRESS, Authority
from worker import KeyTaken, Message, Retry
from worker.message.mime.limits import MessageError
from worker.objects import ObjectsRefused


def archive(moto: Moto, **options: Any) -> Archive:
    given = {
        "url": f"s3://{moto.bucket}/mail",
        "options": moto.options(),
        "secret": SecretStr(SECRET),
        "timeout": timedelta(seconds=5),
    }
    return Archive(Archive.Settings(**{**given, **options}))


def test_a_message_is_its_objects(moto: Moto) -> None:
    message = report(3, attachments={"report.pdf": PDF, "data.bin": b"\0\xff"})
    handler = archive(moto)
    handler(message)
    handler.flush()
    found = moto.objects(moto.bucket)
    place = f"mail/{message.key}"
    assert found.keys() == {
        f"{place}/{name}" for name in ("message.eml", "message.json", "attachments/report.pdf", "attachments/data.bin")
    }
    assert found[f"{place}/message.eml"] == message.raw
    assert found[f"{place}/attachments/data.bin"] == b"\0\xff"
    told = json.loads(found[f"{place}/message.json"])
    assert told["key"] == message.key
    assert {f"{place}/{file['file']}" for file in told["attachments"]} < found.keys()
    handler.close()


NAMES = [
    "a b.pdf",
    "ärztlicher Brief.pdf",
    "50%.txt",
    "a#b?c.txt",
    "a+b&c=d.txt",
    "~$x.doc",
    "漢字.txt",
    "..",
    "a/b.txt",
    "%2e%2e",
]


def test_names_of_files_come_out_as_they_went_in(moto: Moto) -> None:
    message = report(attachments={name: f"{number}".encode() for number, name in enumerate(NAMES)})
    archive(moto)(message)
    found = moto.objects(moto.bucket)
    expected = {f"mail/{message.key}/attachments/{one.safe_filename}": one.read() for one in message.attachments}
    assert len(expected) == len(NAMES)
    assert {name: data for name, data in found.items() if "/attachments/" in name} == expected


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "option"])
def test_plain_http_on_this_machine_goes_to_no_proxy(
    moto: Moto, authority: Authority, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A proxy is another machine: it would be sent the mail, in clear text."""
    options = moto.options()
    with HttpsServer(authority, plain=True) as proxy:
        address = f"http://{ADDRESS}:{proxy.port}"
        if name == "option":
            options = {**options, "proxy_url": address}
        else:
            monkeypatch.setenv(name, address)
        handler = archive(moto, options=options)
        message = report(7)
        handler(message)
        handler.close()
    monkeypatch.undo()
    assert proxy.connections == 0
    assert moto.objects(moto.bucket)[f"mail/{message.key}/message.eml"] == message.raw


def test_a_whole_message_is_left_as_it_is(moto: Moto) -> None:
    handler = archive(moto)
    handler(report(1))
    before = moto.client("s3").list_objects_v2(Bucket=moto.bucket)["Contents"]
    time.sleep(1.1)  # the server's clock has seconds
    handler(report(1))
    archive(moto)(report(1))
    assert moto.client("s3").list_objects_v2(Bucket=moto.bucket)["Contents"] == before


def test_another_message_under_its_key_is_refused(moto: Moto) -> None:
    handler = archive(moto)
    handler(report(3))
    before = moto.objects(moto.bucket)
    with pytest.raises(KeyTaken):
        handler(report(3, text="Sodium 150.\n"))
    handler(message_of(b"X-Added: yes\r\n" + report(3).raw, key=key_of(3)))
    assert moto.objects(moto.bucket) == before


def test_half_a_message_is_made_whole(moto: Moto) -> None:
    message = report(1)
    archive(moto)(message)
    whole = moto.objects(moto.bucket)
    for name in ("message.json", "attachments/report.pdf"):
        moto.client("s3").delete_object(Bucket=moto.bucket, Key=f"mail/{message.key}/{name}")
    archive(moto)(message)
    assert moto.objects(moto.bucket) == whole


@pytest.mark.slow
def test_a_message_of_many_megabytes(moto: Moto) -> None:
    message = message_of(report(text="a line of text\n" * 5_000_000).raw)
    archive(moto, attachments=False, timeout=timedelta(seconds=60))(message)
    assert moto.objects(moto.bucket)[f"mail/{message.key}/message.eml"] == message.raw


def test_what_can_not_be_taken_apart_leaves_nothing(moto: Moto) -> None:
    broken: Message = message_of(UNPARSABLE)
    with pytest.raises(MessageError):
        archive(moto)(broken)
    assert moto.objects(moto.bucket) == {}
    archive(moto, attachments=False)(broken)
    assert len(moto.objects(moto.bucket)) == 2


def test_a_bucket_that_is_not_there(moto: Moto) -> None:
    with pytest.raises(ObjectsRefused) as caught:
        archive(moto, url="s3://no-such-bucket/mail")(report())
    assert "report.pdf" not in str(caught.value)
    assert caught.value.__context__ is None


def test_nobody_there(moto: Moto) -> None:
    options = moto.options() | {"endpoint": "http://127.0.0.1:1"}
    with pytest.raises(Retry) as caught:
        archive(moto, options=options)(report())
    assert caught.value.__context__ is None


@pytest.fixture
def grumpy(authority: Authority) -> Iterator[Callable[..., HttpsServer]]:
    servers: list[HttpsServer] = []

    def make(*answers: Answer, after: Answer | Callable[[Request], Answer]) -> HttpsServer:
        servers.append(HttpsServer(authority, answers, after=after))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.mark.parametrize(
    ("status", "error"), [(403, ObjectsRefused), (401, ObjectsRefused), (500, Retry), (503, Retry)]
)
def test_what_the_store_answers(
    moto: Moto, authority: Authority, grumpy: Callable[..., HttpsServer], status: int, error: type[Exception]
) -> None:
    server = grumpy(after=Answer(status))
    options = moto.options() | {"endpoint": f"https://localhost:{server.port}"}
    with pytest.raises(error):
        archive(moto, options=options, ca_file=authority.ca_file)(report())
    assert server.requests


def test_an_untrusted_store_gets_nothing(moto: Moto, grumpy: Callable[..., HttpsServer]) -> None:
    server = grumpy(after=Answer(200))
    options = moto.options() | {"endpoint": f"https://localhost:{server.port}"}
    with pytest.raises(Retry):
        archive(moto, options=options)(report())
    assert server.requests == []


def test_the_store_away_in_the_middle_loses_nothing(moto: Moto, authority: Authority) -> None:
    """The way to the store is cut again and again; what is there in the end is each message, whole, once."""
    with Cut(moto.port) as way:
        options = moto.options() | {"endpoint": f"http://127.0.0.1:{way.port}"}
        handler = archive(moto, options=options)
        retries = 0
        stop = threading.Event()

        def cut() -> None:
            while not stop.wait(0.15):
                way.cut()

        def deliver(number: int) -> None:
            nonlocal retries
            for _ in range(500):
                try:
                    handler(report(number))
                except Retry:
                    retries += 1
                else:
                    return
            raise AssertionError("never delivered")

        with ThreadPoolExecutor(5) as pool:
            cutting = pool.submit(cut)
            try:
                list(pool.map(deliver, range(40)))
            finally:
                stop.set()
            cutting.result()
    assert way.cuts > 0
    found = moto.objects(moto.bucket)
    assert len(found) == 40 * 3
    for number in range(40):
        assert found[f"mail/{key_of(number)}/message.eml"] == report(number).raw
        assert found[f"mail/{key_of(number)}/attachments/report.pdf"] == PDF


@pytest.mark.parametrize(
    "options",
    [
        {"url": "s3://"},
        {"url": "s3://user:Some-Word-1@bucket/"},
        {"url": "s3://bucket/?a=b"},
        {"url": "ftp://bucket/"},
        {"url": "s3://bucket/", "options": {"secret_access_key": "Some-Word-1"}},
        {"url": "s3://bucket/", "options": {"endpoint": "http://example.org"}},
        {"url": "file:///tmp/a", "options": {"region": "x"}},
        {"url": "file:///tmp/a", "secret": "Some-Word-1"},
    ],
)
def test_settings_that_can_not_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Archive.Settings(**options)
    assert "Some-Word" not in str(caught.value)


def test_an_option_that_the_store_does_not_know(moto: Moto) -> None:
    with pytest.raises(ValueError, match="can't be set up"):
        archive(moto, options={"no_such_option": "x"})


@pytest.mark.parametrize("url", ["az://container/mail", "gs://bucket/mail"])
def test_azure_and_google_are_set_up_by_their_url(url: str) -> None:
    """As far as one gets without them: their settings are taken, and an endpoint that isn't there is a retry."""
    options = {
        "az": {"account_name": "example", "endpoint": "http://127.0.0.1:1"},
        "gs": {"base_url": "http://127.0.0.1:1"},
    }
    secrets = {"az": "YWJj", "gs": None}
    if url.startswith("gs"):
        options["gs"]["skip_signature"] = "true"
    scheme = url.partition(":")[0]
    secret = secrets[scheme]
    settings = Archive.Settings(
        url=url, options=options[scheme], secret=SecretStr(secret) if secret else None, timeout=timedelta(seconds=2)
    )
    with pytest.raises(Retry):
        Archive(settings)(report())
