"""How the demo calls the worker: on which mailbox, with which environment, and what it does with signals and answers.

A small script stands in for the worker, so that each answer of it can be tried; tests/acceptance has the real one.
"""

import io
import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from rich.console import Console

import worker.demo
from worker.demo import play as play_module
from worker.demo.config import DemoDirectory
from worker.demo.samples import all_samples


@pytest.fixture
def demo(tmp_path: Path) -> DemoDirectory:
    """A directory in which a demo has been."""
    demo = DemoDirectory(tmp_path / "demo")
    demo.claim()
    demo.begin(tuple(all_samples()))
    return demo


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def install(code: str) -> None:
        script = tmp_path / "worker.py"
        script.write_text(dedent(code))
        monkeypatch.setattr(play_module, "_program", lambda: [sys.executable, str(script)])

    return install


def played(directory: Path, *arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    code = worker.demo.run(directory, arguments, Console(file=out, width=200))
    return code, out.getvalue()


def test_a_command_gets_the_demo_s_settings_and_nobody_else_s(
    demo: DemoDirectory, stand_in: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen.json"
    stand_in(f"""
        import json, os, sys
        found = {{name: value for name, value in os.environ.items() if name.startswith("NHSMAIL")}}
        json.dump([sys.argv[1:], found], open({str(seen)!r}, "w"))
        sys.exit(69)
    """)
    monkeypatch.setenv("NHSMAIL_ACCOUNT__HOST", "outlook.office365.com")
    monkeypatch.setenv("NHSMAIL_ACCOUNT__PASSWORD", "Somebody-5-real-one")

    code, _ = played(demo.root, "reconcile", "--json")

    assert code == 69
    arguments, given = json.loads(seen.read_text())
    assert arguments == ["reconcile", "--json"]
    assert given.keys() == {"NHSMAIL_CONFIG", "NHSMAIL_COMMAND"}
    assert given["NHSMAIL_CONFIG"] == str(demo.config)


def test_what_the_demo_leaves_out_of_the_environment_is_said_without_its_value(
    demo: DemoDirectory,
    stand_in: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stand_in("raise SystemExit(0)")
    monkeypatch.delenv("NHSMAIL_CONFIG", raising=False)
    monkeypatch.setenv("NHSMAIL_COMMAND", "nhsmail-worker demo")
    assert played(demo.root, "status") == (0, "")
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("NHSMAIL_STATE__DIR", "/srv/backup")
    assert played(demo.root, "status") == (0, "")
    assert capsys.readouterr().err == (
        "The demo has a configuration of its own, so it doesn't use what the environment says in NHSMAIL_STATE__DIR.\n"
    )


def test_a_command_s_help_needs_no_demo(
    tmp_path: Path, stand_in: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    stand_in("import sys; print(sys.argv[1:])")
    assert played(tmp_path / "none", "run", "--help") == (0, "")
    assert capfd.readouterr().out == "['run', '--help']\n"
    assert not (tmp_path / "none").exists()


def test_a_command_finds_the_mailbox_of_its_configuration(
    demo: DemoDirectory, stand_in: Callable[[str], None], tmp_path: Path
) -> None:
    seen = tmp_path / "seen.json"
    stand_in(f"""
        import json, os, ssl, tomllib
        from pathlib import Path
        from imapclient import IMAPClient
        account = tomllib.loads(Path(os.environ["NHSMAIL_CONFIG"]).read_text())["account"]
        trust = ssl.create_default_context(cafile=account["ca_file"])
        client = IMAPClient(account["host"], account["port"], ssl_context=trust, timeout=10)
        client.login(account["address"], Path(account["password_file"]).read_text())
        json.dump(client.select_folder("INBOX")[b"EXISTS"], open({str(seen)!r}, "w"))
        client.logout()
    """)

    assert played(demo.root, "status")[0] == 0
    assert json.loads(seen.read_text()) == sum(sample.folder == "INBOX" for sample in all_samples())


def test_a_second_command_shares_the_running_mailbox(demo: DemoDirectory, stand_in: Callable[[str], None]) -> None:
    stand_in("raise SystemExit(5)")
    demo.configure("127.0.0.1", 4711)

    with demo.store.owned():
        code, _ = played(demo.root, "status")
        again, said = played(demo.root)

    assert code == 5
    assert tomllib.loads(demo.config.read_text())["account"]["port"] == 4711
    assert (again, "A demo is running" in said) == (75, True)


def test_without_a_demo_before_there_is_nothing_to_run_on(tmp_path: Path) -> None:
    code, said = played(tmp_path / "none", "status")

    assert code == 64
    assert "Begin with" in said
    assert not (tmp_path / "none").exists()


def test_a_directory_that_is_not_a_demo_s_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    code, said = played(tmp_path)

    assert code == 78
    assert "left alone" in said
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_worker_that_does_nothing_is_not_as_expected(
    tmp_path: Path, stand_in: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play_module, "PATIENCE", 0.1)
    stand_in("print('{}')")

    code, said = played(tmp_path / "demo")

    assert code == 1
    assert "plain-order: expected handled, found left" in said


def test_a_worker_that_ends_badly_is_named_with_the_end_of_its_log(
    tmp_path: Path, stand_in: Callable[[str], None]
) -> None:
    stand_in("import sys; print('no way', file=sys.stderr); sys.exit(78)")

    code, said = played(tmp_path / "demo")

    assert code == 1
    assert "The worker ended with 78" in said
    assert "no way" in said


@pytest.mark.parametrize("code", [1, 75])
def test_it_goes_on_while_messages_wait_for_another_try(
    tmp_path: Path, stand_in: Callable[[str], None], code: int
) -> None:
    calls, index = tmp_path / "calls", tmp_path / "demo" / "mailbox" / "index.json"
    stand_in(f"""
        import sys
        print("{{}}")
        with open({str(calls)!r}, "a") as file:
            file.write(sys.argv[1] + " ")
        if open({str(calls)!r}).read().split().count("once") == 3:
            open({str(index)!r}, "w").write("[]")
        sys.exit({code} if sys.argv[1] == "once" else 0)
    """)
    played(tmp_path / "demo")

    assert calls.read_text().split() == ["once", "once", "once", "status"]


def test_it_does_not_wait_for_ever(
    tmp_path: Path, stand_in: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play_module, "PATIENCE", 0.1)
    stand_in("import sys; print('{}'); sys.exit(75)")

    assert played(tmp_path / "demo")[0] == 1


def test_a_missing_extra_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("worker.demo.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "trustme", None)

    code, said = played(tmp_path / "demo")

    assert code == 78
    assert "scripts/install --all FOLDER" in said


@pytest.mark.parametrize(
    ("number", "by_terminal"),
    [
        (signal.SIGTERM, False),
        (signal.SIGINT, True),
        (signal.SIGINT, False),
        (signal.SIGHUP, True),
        (signal.SIGHUP, False),
    ],
)
def test_signals_are_the_worker_s_to_answer(
    demo: DemoDirectory, tmp_path: Path, number: signal.Signals, *, by_terminal: bool
) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        dedent("""
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(33))
        signal.signal(signal.SIGINT, lambda *_: sys.exit(34))
        signal.signal(signal.SIGHUP, lambda *_: sys.exit(35))
        print("up", flush=True)
        time.sleep(60)
        """)
    )
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "import signal, sys; from pathlib import Path; from rich.console import Console; import worker.demo\n"
                "from worker.demo import play\n"
                "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # it is ignored where the tests run under nohup
                f"play._program = lambda: [sys.executable, {str(script)!r}]\n"
                f"sys.exit(worker.demo.run(Path({str(demo.root)!r}), ['run'], Console()))"
            ),
        ],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline().startswith(b"The status page: http://127.0.0.1:")
        assert process.stdout.readline() == b"up\n"
        if by_terminal:
            os.killpg(process.pid, number)  # as a terminal does for Ctrl-C, and when it is closed
        else:
            process.send_signal(number)
        assert process.wait(timeout=20) == {signal.SIGTERM: 33, signal.SIGINT: 34, signal.SIGHUP: 35}[number]


@pytest.mark.parametrize(
    ("holder", "said"),
    [
        ("vm:4711", "This worker stands by: vm:4711 works on the mailbox already and holds the lease."),
        (None, "Another process of this demo serves the mailbox in "),
    ],
)
def test_a_second_run_says_why_it_takes_no_mail(
    demo: DemoDirectory, stand_in: Callable[[str], None], holder: str | None, said: str
) -> None:
    stand_in(f"""
        import json, sys
        if sys.argv[1] == "status":
            print(json.dumps({{"lease": {{"holder": {holder!r}}}}}))
    """)
    with demo.store.owned():
        code, shown = played(demo.root, "run")
    assert code == 0
    assert shown.startswith(said)
    assert "The status page: http://127.0.0.1:" in shown


def test_advice_names_commands_as_they_are_typed_in_the_demo(
    demo: DemoDirectory, stand_in: Callable[[str], None], tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    stand_in(f"import os; open({str(seen)!r}, 'w').write(os.environ['NHSMAIL_COMMAND'])")
    played(demo.root, "status")
    assert seen.read_text().endswith(f" demo --dir {demo.root}")
