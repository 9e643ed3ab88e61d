"""docs/handlers.md, followed to the letter: its files written, its commands typed, its consumer run."""

import os
import re
import sqlite3
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # it comes without types
from pydantic import SecretStr

from handlers.queue import Queue
from tests.rig.messages import report
from tests.rig.moto import KEY_ID, REGION, SECRET, Moto
from tests.rig.redis import PASSWORD, Redis
from worker.handling.routing.router import Router
from worker.settings.routes import RouteSettings
from worker.testing import make_message

PAGE = Path(__file__).parents[2] / "docs" / "handlers.md"
FENCE = re.compile(
    r"^(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)

# No index is asked in tests: this takes the place of pip, and installs a package by its pyproject.toml.
PIP = """#!{python}
import pathlib, shutil, sys, tomllib
named, extra, rest = sys.argv[-1].partition("[test]")
assert extra and not rest
root, site = pathlib.Path(named), pathlib.Path({site!r})
assert sys.argv[1:-1] == ["install", "-e"]
project = tomllib.loads((root / "pyproject.toml").read_text())
assert project["project"]["optional-dependencies"]["test"] == ["pytest"]
for package in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
    (site / package).symlink_to((root / package).resolve())
info = site / (project["project"]["name"].replace("-", "_") + "-0.1.0.dist-info")
info.mkdir()
(info / "METADATA").write_text("Metadata-Version: 2.1\\nName: " + project["project"]["name"] + "\\nVersion: 0.1.0\\n")
points = project["project"]["entry-points"]["nhsmail_worker.handlers"]
(info / "entry_points.txt").write_text(
    "[nhsmail_worker.handlers]\\n" + "".join(f"{{name}} = {{value}}\\n" for name, value in points.items())
)
"""


def blocks() -> Iterator[tuple[str, str | None, str]]:
    for found in FENCE.finditer(PAGE.read_text()):
        yield found["kind"], found["file"], found["text"]


def tools(folder: Path) -> dict[str, str]:
    """An environment with the installed command, and with a pip that asks no index."""
    programs, site = folder / "bin", folder / "site"
    programs.mkdir()
    site.mkdir()
    (programs / "pip").write_text(PIP.format(python=sys.executable, site=str(site)))
    (programs / "pip").chmod(0o755)
    scripts = str(Path(sys.executable).parent)
    return {
        "PATH": f"{programs}:{scripts}:/usr/bin:/bin",
        "PYTHONPATH": str(site),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
    }


def test_the_ten_minutes_from_nothing_to_a_handler(tmp_path: Path) -> None:
    environment = tools(tmp_path)
    place = tmp_path / "place"
    place.mkdir()
    typed, said = 0, ""
    for kind, file, text in blocks():
        if file is not None:
            path = place / file
            assert path.parent.is_dir(), f"{file}: no step before makes its folder"
            path.write_text(text)
        elif kind == "sh":
            typed += 1
            ran = subprocess.run(
                ["/bin/sh", "-eu", "-c", text],
                cwd=place,
                env=environment,
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
            )
            assert ran.returncode == 0, f"{text}\n{ran.stdout}{ran.stderr}"
            said += ran.stdout
    assert typed == 3
    assert "5 passed" in said
    assert "It goes to pathology-filing, by route 'pathology'." in said
    assert "would be settled as handled" in said
    (filed,) = (place / "filed").iterdir()
    assert "It logged: reports.filed count=1\n" in said
    assert f"pathology-filing wrote below {place}/filed." in said
    assert said.endswith(f"{filed.name}\n")
    assert re.fullmatch(r"123456-[a-z0-9]+-1\.pdf", filed.name)
    assert filed.read_bytes() == b"%PDF-1.7\n%%EOF\n"
    checked = check_production(place, environment)
    assert checked.returncode == 0, checked.stdout


def check_production(place: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What `check` says of the page's last configuration, with its folders under this one."""
    text = (place / "production.toml").read_text()
    assert 'auth = "oauth2-' in text  # NHSmail takes no password
    for folder in ("/var/lib/nhsmail-worker", "/srv/reports", "/srv/mail"):
        assert folder in text
        text = text.replace(folder, f"{place}{folder}")
        (place / folder[1:]).mkdir(parents=True)
    (place / "worker.toml").write_text(text)
    return subprocess.run(
        ["nhsmail-worker", "check"],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_the_image_upon_ours_is_that_of_ours() -> None:
    """There is no pip in the worker's environment, and its user can't write there."""
    root = PAGE.parents[1]
    ours = (root / "Dockerfile").read_text().splitlines()
    (upon,) = [text.splitlines() for _, file, text in blocks() if file == "Dockerfile"]
    assert f"FROM {yaml.safe_load((root / 'compose.yaml').read_text())['services']['worker']['image']}" == upon[0]
    assert "RUN scripts/install /opt/nhsmail-worker \\" in ours
    assert [line for line in upon if line.startswith("RUN")] == [
        "RUN pip --python /opt/nhsmail-worker/bin/python install --no-cache-dir /src/pathology-filing"
    ]
    assert [line for line in upon if line.startswith("USER")] == ["USER 0", "USER 10001:10001"]
    assert [line for line in ours if line.startswith("USER")] == ["USER 10001:10001"]


def test_what_the_last_configuration_names_is_mounted() -> None:
    (composed,) = [text for kind, _, text in blocks() if kind == "yaml"]
    (production,) = [text for _, file, text in blocks() if file == "production.toml"]
    mounted = [volume.split(":")[1] for volume in yaml.safe_load(composed)["services"]["worker"]["volumes"]]
    tables = tomllib.loads(production)["handler"]
    assert tables["pathology-filing"]["folder"] in mounted
    assert tables["archive"]["url"].removeprefix("file://") in mounted
    (ours,) = yaml.safe_load((PAGE.parents[1] / "compose.yaml").read_text())["services"].values()
    assert set(ours["volumes"]) < set(yaml.safe_load(composed)["services"]["worker"]["volumes"])


@pytest.mark.slow
def test_the_code_is_as_strict_as_ours(tmp_path: Path) -> None:
    files = []
    for kind, file, text in blocks():
        if kind == "python" and file is not None and "consumer" not in file:
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            files.append(str(path))
    assert len(files) == 2
    environment = {**os.environ, "MYPYPATH": str(tmp_path / "pathology-filing")}
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), *files],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.slow
def test_the_consumer_takes_each_message_once_though_a_consumer_is_killed(tmp_path: Path) -> None:
    """Two Celery workers, one of them killed at work; every message is put into the queue twice."""
    ledger = tmp_path / "ledger.db"
    with Redis() as redis:
        environment = consuming(redis, tmp_path, ledger)
        handler = Queue(Queue.Settings(url=redis.url, password=SecretStr(PASSWORD), queue="mail", task="mail.file"))
        messages = [report(number) for number in range(60)]
        with (tmp_path / "celery.log").open("wb") as log:
            workers = [start_consumer(environment, name, log.fileno(), tmp_path) for name in ("one", "two")]
            for message in [*messages, *messages]:
                handler(message)
            wait_for(ledger, 10)
            killed = workers.pop()
            killed.kill()
            killed.wait(30)
            wait_for(ledger, len(messages), (tmp_path / "celery.log"))
            for worker in workers:
                worker.terminate()
                worker.wait(30)
        handler.close()
    with closing(sqlite3.connect(ledger)) as found:
        rows = dict(found.execute("SELECT key, raw FROM mail").fetchall())
    assert rows == {str(message.key): message.raw for message in messages}


@pytest.mark.slow
def test_the_consumer_gets_large_messages_and_those_that_failed(tmp_path: Path) -> None:
    """One message lies in an object store; and at first there is no place to write any to."""
    ledger, log = tmp_path / "late" / "ledger.db", tmp_path / "celery.log"
    small, large = report(1), report(2, attachments={"scan.bin": b"\x01\x02" * 200_000})
    with Moto() as moto, Redis() as redis:
        moto.make_bucket("mail-in-transit")
        environment = consuming(redis, tmp_path, ledger) | {
            "AWS_ENDPOINT": moto.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ALLOW_HTTP": "true",
        }
        settings = {
            "claim_check": "s3://mail-in-transit/large",
            "claim_check_options": moto.options(),
            "claim_check_secret": SECRET,
            "largest": 100_000,
        }
        handler = Queue(
            Queue.Settings.model_validate(
                {"url": redis.url, "password": PASSWORD, "queue": "mail", "task": "mail.file", **settings}
            )
        )
        with log.open("wb") as output:
            worker = start_consumer(environment, "one", output.fileno(), tmp_path)
            handler(small)
            handler(large)
            wait_until(lambda: log.read_text().count("unable to open database file") >= 2, log)
            ledger.parent.mkdir()
            wait_for(ledger, 2, log)
            worker.terminate()
            worker.wait(30)
        handler.close()
    with closing(sqlite3.connect(ledger)) as found:
        rows = dict(found.execute("SELECT key, raw FROM mail").fetchall())
    assert rows == {str(message.key): message.raw for message in (small, large)}


def consuming(redis: Redis, folder: Path, ledger: Path) -> dict[str, str]:
    """The page's consumer in this folder, and what its environment has."""
    (consumer,) = [text for _, file, text in blocks() if file == "consumer.py"]
    (folder / "consumer.py").write_text(consumer)
    return {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(folder),
        "HOME": str(folder),
        "BROKER_URL": redis.url.replace("redis://", f"redis://:{PASSWORD}@"),
        "LEDGER": str(ledger),
    }


def wait_until(holds: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.05)


def start_consumer(environment: dict[str, str], name: str, log: int, folder: Path) -> subprocess.Popen[bytes]:
    words = f"-A consumer worker --concurrency 1 --pool solo --loglevel INFO -n {name}@here".split()
    return subprocess.Popen(
        [sys.executable, "-m", "celery", *words], env=environment, cwd=folder, stdout=log, stderr=log
    )


def wait_for(ledger: Path, count: int, log: Path | None = None) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if ledger.exists():
            with closing(sqlite3.connect(ledger, timeout=30)) as found:
                try:
                    (seen,) = found.execute("SELECT count(*) FROM mail").fetchone()
                except sqlite3.OperationalError:
                    seen = 0
            if seen >= count:
                return
        time.sleep(0.05)
    raise AssertionError(f"only some arrived: {log.read_text()[-2000:] if log else ''}")


def test_the_time_that_tries_take_is_that_of_the_defaults() -> None:
    """The tries of a route that says nothing of them, and the waits between: the last one repeats."""
    route = RouteSettings(name="all", handlers=("archive",))
    between = route.tries - 1
    waits = [*route.waits, *[route.waits[-1]] * between][:between]
    minutes = int(sum(wait.total_seconds() for wait in waits) / 60)
    assert f"{route.tries} tries in about {minutes // 60} h {minutes % 60} min" in " ".join(PAGE.read_text().split())


def test_several_routes_are_one_list_as_the_page_says() -> None:
    """Its routes are valid, and a message of the laboratory goes first to the archive, which is called once."""
    (text,) = [text for _, _, text in blocks() if "continue = true" in text]
    routes = [RouteSettings.model_validate(route) for route in tomllib.loads(text)["route"]]
    router = Router(routes, ())
    assert router.route(make_message(sender="results@lab.example.org")).by_route == (
        ("keep", ("archive",)),
        ("pathology", ("pathology-filing",)),
    )
    assert router.route(make_message(sender="a@example.org")).handlers == ("archive",)


def test_the_page_names_every_handler_that_is_built_in() -> None:
    project = tomllib.loads((PAGE.parents[1] / "pyproject.toml").read_text())
    page = PAGE.read_text()
    for name in project["project"]["entry-points"]["nhsmail_worker.handlers"]:
        assert f"| `{name}` |" in page
