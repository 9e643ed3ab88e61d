"""`archive` removes old messages from an S3-compatible server."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

import worker.objects
from handlers.archive import Archive
from tests.rig.messages import PDF, key_of, report
from tests.rig.moto import SECRET, Moto
from worker import Look, OldCopy, RemovedCopies
from worker.objects import Objects, ObjectsRefused

LATER = datetime.now(UTC) + timedelta(days=2)
"""Everything that a test writes is older."""
EARLIER = datetime.now(UTC) - timedelta(days=2)
"""Everything that a test writes is younger, though the message was received before."""


def archive(moto: Moto) -> Archive:
    return Archive(
        Archive.Settings.model_validate(
            {
                "url": f"s3://{moto.bucket}/mail",
                "options": moto.options(),
                "secret": SecretStr(SECRET),
                "timeout": timedelta(seconds=10),
            }
        )
    )


def names(moto: Moto) -> set[str]:
    return {name.removeprefix("mail/") for name in moto.objects(moto.bucket)}


def write(moto: Moto, name: str, data: bytes) -> None:
    moto.client("s3").put_object(Bucket=moto.bucket, Key=f"mail/{name}", Body=data)


def sweep(handler: Archive, before: datetime, **bounds: Any) -> tuple[int, int]:
    """Look through everything and remove what is old. Returns how many looks that took, and how many were removed."""
    looks = removed = 0
    after: str | None = None
    handler.remove_copies((), before)
    while True:
        found = handler.old_copies(Look(before, after, **bounds))
        done = handler.remove_copies([copy.name for copy in found.copies], before)
        looks, removed, after = looks + 1, removed + len(done.removed), found.after
        if after is None:
            return looks, removed


def test_old_messages_go_whole_and_young_ones_stay_whole(moto: Moto) -> None:
    handler = archive(moto)
    for number in (1, 2, 3):
        handler(report(number, attachments={"a b.pdf": PDF, "ä#?.txt": b"x"}))
    young = handler.old_copies(Look(EARLIER))
    assert (young.copies, young.looked, young.after) == ((), 3, None)
    assert young.oldest is not None
    assert young.oldest > EARLIER
    assert handler.remove_copies([key_of(1)], EARLIER) == RemovedCopies()
    assert len(names(moto)) == 12
    assert handler.old_copies(Look(LATER)).copies == tuple(OldCopy(key_of(n), key_of(n)) for n in (1, 2, 3))
    assert handler.remove_copies([key_of(1), key_of(3)], LATER) == RemovedCopies((key_of(1), key_of(3)))
    assert {name.partition("/")[0] for name in names(moto)} == {key_of(2)}
    handler(report(1))
    assert f"{key_of(1)}/message.json" in names(moto)


def test_looks_are_bounded_and_go_on_where_the_last_one_ended(moto: Moto) -> None:
    handler = archive(moto)
    keys = [*map(key_of, range(1, 8)), f"{key_of(2)}-2", f"{key_of(2)}-2.1", f"{key_of(2)}.1"]
    for number in range(1, 8):
        handler(report(number, attachments={}))
    for copy in keys[7:]:
        mark = json.loads(moto.objects(moto.bucket)[f"mail/{key_of(2)}/message.json"])
        mark["key"] = copy.partition(".")[0]
        write(moto, f"{copy}/message.json", json.dumps(mark).encode())
        write(moto, f"{copy}/message.eml", b"x")
    seen: list[str] = []
    after: str | None = None
    while True:
        found = handler.old_copies(Look(LATER, after, most=3, found=2))
        assert found.looked <= 3
        seen += [copy.name for copy in found.copies]
        if (after := found.after) is None:
            break
    assert sorted(seen) == sorted(keys)
    assert sweep(handler, LATER, most=3, found=2) == (5, 10)
    assert names(moto) == set()


def test_more_objects_than_a_page_and_a_request_hold(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.objects, "_PAGE", 7)
    handler = archive(moto)
    for number in range(20):
        handler(report(number))
    moto.client("s3").put_object(Bucket=moto.bucket, Key="elsewhere/x", Body=b"x")
    found = handler.old_copies(Look(LATER, seconds=100.0))
    assert (len(found.copies), found.after) == (20, None)
    real = Objects.delete
    absent = [f"absent/{number}" for number in range(1100)]
    monkeypatch.setattr(Objects, "delete", lambda self, names: real(self, [*absent, *names]))
    assert len(handler.remove_copies([copy.name for copy in found.copies], LATER).removed) == 20
    assert list(moto.objects(moto.bucket)) == ["elsewhere/x"]


@pytest.mark.parametrize("after", [0, 1])
def test_what_a_crash_left_is_no_message_and_goes_later(
    moto: Moto, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    handler = archive(moto)
    handler(report(1))
    handler(report(2))
    real, calls = Objects.delete, 0

    def dying(self: Objects, names: Any) -> None:
        nonlocal calls
        if calls >= after:
            raise KeyboardInterrupt
        calls += 1
        real(self, names)

    monkeypatch.setattr(Objects, "delete", dying)
    with pytest.raises(KeyboardInterrupt):
        handler.remove_copies([key_of(1), key_of(2)], LATER)
    monkeypatch.undo()
    marks = {name for name in names(moto) if name.endswith("message.json")}
    assert len(marks) == (0 if after else 2)
    handler(report(1))  # it comes again
    assert moto.objects(moto.bucket)[f"mail/{key_of(1)}/message.eml"] == report(1).raw
    assert f"{key_of(1)}/message.json" in names(moto)
    assert handler.old_copies(Look(EARLIER)).copies == ()
    assert sweep(handler, LATER)[1] == 2
    assert names(moto) == set()


FOREIGN = {
    "an object beside": ("notes.txt", b"x"),
    "an attachment that isn't told of": ("attachments/x.pdf", b"x"),
    "a folder among the attachments": ("attachments/more/x.pdf", b"x"),
    "another's key": ("message.json", json.dumps({"key": "b" * 26, "sha256": "x", "attachments": None}).encode()),
    "no JSON": ("message.json", b"\xff"),
}


@pytest.mark.parametrize(("name", "data"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_not_as_archive_made_it_is_left_alone(moto: Moto, name: str, data: bytes) -> None:
    handler = archive(moto)
    handler(report(1))
    write(moto, f"{key_of(1)}/{name}", data)
    write(moto, "README", b"x")
    write(moto, "2026/report.pdf", b"x")
    write(moto, f"{'a' * 27}/message.eml", b"x")
    before = moto.objects(moto.bucket)
    found = handler.old_copies(Look(LATER))
    assert (found.copies, found.looked, found.left) == ((), 1, 1)
    assert handler.remove_copies([key_of(1), "README", "2026"], LATER) == RemovedCopies()
    assert moto.objects(moto.bucket) == before


@pytest.mark.parametrize("lock", [False, True])
def test_a_bucket_that_keeps_versions_is_told_of(moto: Moto, lock: bool) -> None:
    client, bucket = moto.client("s3"), f"versions-{lock}".lower()
    place = {"CreateBucketConfiguration": {"LocationConstraint": "eu-west-2"}}
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=lock, **place)
    if lock:
        rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 3650}}
        client.put_object_lock_configuration(
            Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
        )
    else:
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    archive(moto)(report(1))
    for name, data in moto.objects(moto.bucket).items():
        client.put_object(Bucket=bucket, Key=name, Body=data)  # by Amazon's client: such a bucket asks for an MD5
    moto.bucket, mine = bucket, moto.bucket
    try:
        assert archive(moto).remove_copies([key_of(1)], LATER) == RemovedCopies((key_of(1),), versions=True)
        assert names(moto) == set()
        assert len(client.list_object_versions(Bucket=bucket)["Versions"]) == 3
    finally:
        moto.bucket = mine


def test_a_refusal_names_the_copies_that_stay(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = archive(moto)
    for number in (1, 2, 3):
        handler(report(number))
    real = Objects.delete

    def held(self: Objects, names: Any) -> None:
        """The store refuses a request with anything of the second message, as under a legal hold."""
        if any(name.startswith(key_of(2)) for name in names):
            raise ObjectsRefused("the store refuses it")
        real(self, names)

    monkeypatch.setattr(Objects, "delete", held)
    done = handler.remove_copies([key_of(n) for n in (1, 2, 3)], LATER)
    assert done == RemovedCopies((key_of(1), key_of(3)), (key_of(2),))
    assert {name.partition("/")[0] for name in names(moto)} == {key_of(2)}
    assert f"{key_of(2)}/message.json" in names(moto)
