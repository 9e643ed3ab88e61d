"""The container, really built and run: it drains a Dovecot, is killed and restarted, and stops when it is told to."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from scripts import shipped
from tests.rig import container
from tests.rig.container import Container, Image
from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.ports import free_port
from tests.rig.watch import Window
from tests.rig.worker import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

MakeContainer = Callable[..., tuple[Container, Window]]

AT_ONCE = 15
"""Seconds, on a busy machine. The grace period is longer."""
CONFIGURATION = """
[account]
address = "{address}"
host = "{host}"
port = {port}
password_file = "/etc/nhsmail-worker/password"
password_file_mode = "any"
ca_file = "/etc/nhsmail-worker/ca.pem"
[state]
dir = "/var/lib/nhsmail-worker/state"
[health]
listen = "127.0.0.1:{page}"
[log]
format = "json"
[[route]]
name = "all"
handlers = ["archive"]
[handler.archive]
url = "file:///var/lib/nhsmail-worker/archive"
"""


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    absent = container.missing()
    if absent or os.geteuid() != 0:
        pytest.fail(f"Needed: root, and {absent or 'nothing else'} (apt-get install buildah netavark mmdebstrap).")
    built = container.build()
    yield built
    built.remove()


@pytest.fixture
def make_container(image: Image, dovecot: Mailbox, tmp_path: Path) -> Iterator[MakeContainer]:
    made: list[Container] = []
    volume, given = tmp_path / "volume", tmp_path / "given"
    volume.mkdir()
    given.mkdir()

    def make(*, user: int = 10001, group: int = 10001, read_only: bool = True) -> tuple[Container, Window]:
        window = Window(free_port())
        values = {"address": dovecot.address, "host": dovecot.host, "port": dovecot.port, "page": window.port}
        (given / "worker.toml").write_text(CONFIGURATION.format(**values))
        (given / "password").write_text(dovecot.password)
        (given / "ca.pem").write_bytes(dovecot.ca_file.read_bytes())
        os.chown(volume, user, group)
        mounts = [
            (volume, "/var/lib/nhsmail-worker"),
            (given, "/etc/nhsmail-worker"),
            (Path("/etc/hosts"), "/etc/hosts"),
        ]
        one = Container(image, tmp_path / "log", mounts, f"{user}:{group}", read_only)
        made.append(one)
        return one, window

    yield make
    for one in made:
        one.end()


def archived(tmp_path: Path) -> int:
    return len(list((tmp_path / "volume" / "archive").glob("*/message.json")))


def test_it_is_described_and_runs_as_nobody_in_particular(image: Image, record_property: Callable[..., None]) -> None:
    assert image.setting("{{.OCIv1.Config.User}}") == "10001:10001"
    assert "nhsmail-worker" in image.setting("{{.OCIv1.Config.Entrypoint}}")
    assert image.setting("{{.OCIv1.Config.StopSignal}}") in ("SIGTERM", "15")
    assert "/livez" in image.setting("{{.Docker.Config.Healthcheck}}")
    assert "org.opencontainers.image.version" in image.setting("{{.OCIv1.Config.Labels}}")
    assert "/var/lib/nhsmail-worker" not in image.setting("{{.OCIv1.Config.Volumes}}")
    record_property("image_bytes", image.size)
    record_property("of_these_ours", image.added())
    print(f"image: {image.size / 1e6:.0f} MB in all, {image.added() / 1e6:.0f} MB of it the worker and what it needs")  # noqa: T201 -- the figure is to be seen
    assert image.added() < 250e6


def test_it_lists_what_it_holds(image: Image) -> None:
    bill = (image.root / "opt" / "nhsmail-worker" / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    listed = {(one["name"], one["version"]) for one in json.loads(bill)["components"]}
    assert listed == set(shipped.locked())


def test_it_drains_is_killed_and_goes_on(dovecot: Mailbox, make_container: MakeContainer, tmp_path: Path) -> None:
    dovecot.append_many("INBOX", letters(40))
    first, window = make_container()
    first.start("run")
    eventually(lambda: window.code("/livez") == 200 and archived(tmp_path) > 5)
    first.kill()

    dovecot.append_many("INBOX", letters(10, start=41))
    second, window = make_container()
    second.start("run")
    eventually(lambda: archived(tmp_path) == 50 and window.metric('nhsmail_messages{state="pending"}') == 0)
    eventually(lambda: window.code("/readyz") == 200)  # after the poll in which they were handled
    code, seconds = second.stop()
    assert (code, seconds < AT_ONCE) == (0, True), seconds
    assert len(dovecot.stored("Processed")) == 50
    assert dovecot.stored("INBOX") == []


def test_a_stop_waits_for_the_message_in_hand_and_begins_no_other(
    dovecot: Mailbox, make_container: MakeContainer, tmp_path: Path
) -> None:
    dovecot.append_many("INBOX", letters(3))
    one, _ = make_container()
    settings = one.mounts[1][0] / "worker.toml"
    slow = 'handlers = ["slow", "archive"]\n[work]\nthreads = 1\n'
    begins = tmp_path / "volume" / "begun"
    slow += '[handler.slow]\nuse = "command"\n'
    slow += 'command = ["sh", "-c", "touch /var/lib/nhsmail-worker/begun; exec sleep 3"]\n'
    settings.write_text(settings.read_text().replace('handlers = ["archive"]\n', slow))
    one.start("run")
    eventually(begins.exists, what="the first of the three seconds' sleeps")
    assert archived(tmp_path) == 0, one.log.read_text()
    code, seconds = one.stop()
    assert code == 0
    assert 1 < seconds < AT_ONCE, "neither at once nor at the end of the grace period"
    assert archived(tmp_path) == 1
    assert (len(dovecot.stored("Processed")), len(dovecot.stored("INBOX"))) == (1, 2)


def test_what_programs_of_handlers_leave_behind_is_taken_away(
    dovecot: Mailbox, make_container: MakeContainer, tmp_path: Path
) -> None:
    dovecot.append_many("INBOX", letters(3))
    one, window = make_container()
    settings = one.mounts[1][0] / "worker.toml"
    leaves = 'handlers = ["leaves", "archive"]\n[handler.leaves]\nuse = "command"\n'
    leaves += 'command = ["sh", "-c", "setsid sleep 0.5 >/dev/null 2>&1 </dev/null &"]\n'
    settings.write_text(settings.read_text().replace('handlers = ["archive"]\n', leaves))
    one.start("run")
    eventually(lambda: archived(tmp_path) == 3 and window.code("/readyz") == 200)
    eventually(lambda: len(one.states()) == 1)  # the worker alone: nothing is left, ended or not
    assert "Z" not in one.states()
    assert one.stop()[0] == 0


def test_an_idle_one_stops_at_once(make_container: MakeContainer) -> None:
    one, window = make_container()
    one.start("run")
    eventually(lambda: window.code("/readyz") == 200)
    code, seconds = one.stop()
    assert (code, seconds < AT_ONCE) == (0, True), seconds


@pytest.mark.parametrize(("user", "group"), [(10001, 10001), (123456, 0)], ids=["its own", "any"])
def test_whoever_it_runs_as(
    dovecot: Mailbox, make_container: MakeContainer, tmp_path: Path, user: int, group: int
) -> None:
    dovecot.append_many("INBOX", letters(3))
    one, _ = make_container(user=user, group=group)
    one.start("once")
    assert one.wait() == 0, one.log.read_text()
    assert archived(tmp_path) == 3
    (mark, *_) = (tmp_path / "volume" / "archive").glob("*/message.json")
    assert mark.stat().st_uid == user


def test_a_rejected_password_leaves_it_live(dovecot: Mailbox, make_container: MakeContainer) -> None:
    dovecot.set_password("Another-Harbour-93")
    one, window = make_container()
    one.start("run")
    eventually(lambda: dovecot.attempts == 1 and window.code("/readyz") == 503)
    assert window.code("/livez") == 200
    assert one.stop()[0] == 0


@pytest.mark.parametrize("anonymous", [False, True], ids=["its own layer", "an anonymous volume"])
def test_without_a_volume_it_does_not_log_in(
    dovecot: Mailbox, make_container: MakeContainer, tmp_path: Path, *, anonymous: bool
) -> None:
    """The state folder is where it is by default, as it is for who runs the image without a volume."""
    one, _ = make_container(read_only=False)
    volume, place = one.mounts.pop(0)
    settings = one.mounts[0][0] / "worker.toml"
    settings.write_text(settings.read_text().replace('[state]\ndir = "/var/lib/nhsmail-worker/state"\n', ""))
    if anonymous:
        engine = tmp_path / "volumes" / ("0a1b2c3d" * 8) / "_data"
        engine.parent.mkdir(parents=True)
        volume.rename(engine)
        one.mounts.append((engine, place))
    else:
        one.mounts.append((one.mounts[0][0], "/run"))  # with the mark that an engine leaves there
        (one.mounts[0][0] / ".containerenv").touch()
    one.start("run")
    assert one.wait() == 78, one.log.read_text()
    assert ("anonymous volume" if anonymous else "a container's own layer") in one.log.read_text()
    assert dovecot.history == []


def test_memory_is_no_volume(dovecot: Mailbox, make_container: MakeContainer) -> None:
    one, _ = make_container(read_only=False)
    settings = one.mounts[1][0] / "worker.toml"
    settings.write_text(settings.read_text().replace("/var/lib/nhsmail-worker/state", "/tmp/state"))  # noqa: S108 -- the container's
    one.start("run")
    assert one.wait() == 78
    assert "memory (tmpfs)" in one.log.read_text()
    assert dovecot.history == []
