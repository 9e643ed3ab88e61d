"""Editors check the configuration by its schema: taplo, their library, has no objection to any example of ours."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # it comes without types

from worker.commands.configuration import configuration_example, configuration_schema
from worker.commands.init.draft import text_of
from worker.commands.init.questions import EVERY, Answers
from worker.demo.config import TEMPLATE

ROOT = Path(__file__).parents[2]
TAPLO = Path(sys.executable).parent / "taplo"
BLOCK = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("schema") / "worker.schema.json"
    path.write_text(json.dumps(configuration_schema()))
    return path


def lint(folder: Path, schema: Path, texts: dict[str, str]) -> subprocess.CompletedProcess[str]:
    files: list[Path] = []
    for name, text in texts.items():
        files.append(folder / f"{name}.toml")
        files[-1].write_text(text)
    command = [str(TAPLO), "lint", "--no-auto-config", "--schema", schema.as_uri(), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def documented() -> dict[str, str]:
    """Each configuration in the documentation, whole or in part."""
    found = {}
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for number, text in enumerate(BLOCK.findall(page.read_text()), 1):
            if "[project" not in text and "[build-system]" not in text:  # the package of a handler's author
                found[f"{page.stem}-{number}"] = text
    return found


def examples() -> dict[str, str]:
    compose = (ROOT / "compose.yaml").read_text().splitlines()
    manifests = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "worker.yaml").read_text())
    (manifest,) = [one["data"]["worker.toml"] for one in manifests if one["kind"] == "ConfigMap"]
    return {
        **documented(),
        "compose": "\n".join(line.removeprefix("#     ") for line in compose if line.startswith("#     ")),
        "kubernetes": manifest,
        "demo": re.sub(r"\{port\}", "993", re.sub(r"\{(?!port)\w+\}", '"1MB"', TEMPLATE))
        .replace("{{", "{")
        .replace("}}", "}"),
        "example": configuration_example(),
    }


def test_no_example_of_ours_is_found_fault_with(tmp_path: Path, schema: Path) -> None:
    texts = examples()
    assert len(texts) > 15
    assert sum("[account]" in text for text in texts.values()) > 5
    linted = lint(tmp_path, schema, texts)
    assert linted.returncode == 0, linted.stderr


def test_what_init_writes_is_valid(tmp_path: Path, schema: Path) -> None:
    chosen: dict[str, str | int] = {"port": 993, "auth": "oauth2-client", "policy": "nhsmail-2019"}
    answers: Answers = {question.place: chosen.get(question.place[-1], "2026-01-31") for question in EVERY}
    linted = lint(tmp_path, schema, {"init": text_of(answers)})
    assert linted.returncode == 0, linted.stderr


def test_the_file_itself_can_name_the_schema(tmp_path: Path, schema: Path) -> None:
    shutil.copy(schema, tmp_path / "worker.schema.json")
    (tmp_path / "worker.toml").write_text("#:schema ./worker.schema.json\n[poll]\nevery = 60\n")
    command = [str(TAPLO), "lint", "--no-auto-config", str(tmp_path / "worker.toml")]
    linted = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert linted.returncode != 0
    assert 'is not of type "string"' in linted.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[poll]\nevry = '1m'\n", "'evry' was unexpected"),
        ("[poll]\nidle = 'yes'\n", 'is not of type "boolean"'),
        ("[account]\npassword = 'x'\n", "is not allowed for"),
        ("[handler.archive]\nur = 'file:///x'\n", "'ur' was unexpected"),
        ("[handler.second]\nuse = 'clamav'\nunknown = 'maybe'\n", "is not one of"),
    ],
)
def test_a_wrong_one_is(tmp_path: Path, schema: Path, text: str, said: str) -> None:
    linted = lint(tmp_path, schema, {"wrong": text})
    assert linted.returncode != 0
    assert said in linted.stderr
