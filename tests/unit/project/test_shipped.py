"""What is shipped is listed: the licences page is the lock's, and the bill of materials is one."""

import re
import subprocess
import tomllib
import zipfile
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from scripts import shipped
from worker.cli.man_page import files

ROOT = Path(__file__).parents[3]


def test_the_page_of_licences_is_what_is_locked() -> None:
    assert (ROOT / "docs" / "licences.md").read_text() == shipped.licences(), "make docs"


def test_the_conditions_of_the_lock_are_the_images() -> None:
    names = [name for name, _ in shipped.locked()]
    assert {"cffi", "psycopg-binary", "imapclient"} <= set(names)
    assert not {"tzdata", "async-timeout"} & set(names)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_a_bill_of_materials(monkeypatch: pytest.MonkeyPatch) -> None:
    there = dict(shipped.locked())
    kept = [one for one in metadata.distributions() if _normal(one.metadata["Name"]) in {*there, shipped.PRODUCT}]
    monkeypatch.setattr(metadata, "distributions", lambda: kept)
    bill = shipped.sbom()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    for name, version in there.items():
        assert f'"pkg:pypi/{name}@{version}"' in bill
    assert bill == shipped.sbom()


@pytest.mark.slow
def test_the_wheel_is_the_same_each_time(tmp_path: Path) -> None:
    wheels: list[Path] = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        subprocess.run(["make", "-s", "wheel", f"DIST={folder}"], cwd=ROOT, check=True, timeout=300)
        wheels += folder.glob("*.whl")
    first, second = (sha256(wheel.read_bytes()).hexdigest() for wheel in wheels)
    assert first == second
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.fullmatch(rf"nhsmail_worker-{re.escape(version)}-py3-none-any\.whl", wheels[0].name)
    held = zipfile.ZipFile(wheels[0]).namelist()
    assert "worker/observe/templates/status.html" in held
    assert {name.partition(".data/data/share/")[2] for name in held} >= set(files())
