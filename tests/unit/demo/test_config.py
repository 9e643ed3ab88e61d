"""The demo's directory is its own, and its configuration is one that the worker takes."""

import stat
from pathlib import Path

import pytest
import trustme

from worker.demo.config import DemoDirectory, NotOursError
from worker.demo.samples import ACCOUNT, all_samples
from worker.settings import load

SAMPLES = tuple(all_samples())


def begun(root: Path) -> DemoDirectory:
    demo = DemoDirectory(root)
    demo.claim()
    demo.begin(SAMPLES)
    return demo


def test_a_directory_with_other_people_s_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journal.sqlite").write_text("precious")

    with pytest.raises(NotOursError):
        DemoDirectory(tmp_path).claim()

    assert (tmp_path / "state" / "journal.sqlite").read_text() == "precious"


def test_beginning_again_forgets_the_demo_before(tmp_path: Path) -> None:
    demo = begun(tmp_path / "demo")
    password = demo.password()
    demo.archive.mkdir()
    (demo.archive / "old").touch()

    again = begun(tmp_path / "demo")

    assert not again.archive.exists()
    assert again.password() != password
    assert sum(len(folder.letters) for folder in again.store.load()) == len(SAMPLES)


def test_the_password_is_for_its_owner_alone(tmp_path: Path) -> None:
    demo = begun(tmp_path / "demo")

    assert stat.S_IMODE((demo.root / "password").stat().st_mode) == 0o600


def test_the_worker_takes_the_configuration(tmp_path: Path) -> None:
    demo = begun(tmp_path / 'a "quoted" döme')
    demo.configure("127.0.0.1", 4711)
    trustme.CA().cert_pem.write_to_path(str(demo.ca_file))

    settings = load(demo.config, {})

    assert (settings.account.address, settings.account.host, settings.account.port) == (ACCOUNT, "127.0.0.1", 4711)
    assert settings.account.ca_file == demo.ca_file
    assert [route.name for route in settings.routes] == ["flaky", "broken", "refused", "everything-else"]
    assert demo.password() not in demo.config.read_text()
    assert max(len(sample.raw) for sample in SAMPLES) > settings.limits.message
    assert sorted(len(sample.raw) for sample in SAMPLES)[-2] < settings.limits.message
