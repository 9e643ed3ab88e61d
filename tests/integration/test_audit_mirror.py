"""Copies of the audit trail reach syslog and standard output as written."""

import socket
from pathlib import Path

import pytest

from tests.unit.observe.audit.world import Memory
from worker.observe.audit.trail import AuditTrail, Mirror
from worker.observe.audit.verify import verify
from worker.observe.audit_mirror import StandardOutput, Syslog


def _trail(directory: Path, mirror: Mirror) -> AuditTrail:
    return AuditTrail(directory, replica="one", anchors=Memory(), mirror=mirror)


def test_a_line_reaches_this_machines_syslog(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        service.bind(str(tmp_path / "log"))
        _trail(tmp_path / "audit", Syslog(str(tmp_path / "log"))).record("worker.paused")
        got = service.recv(4096)
    assert got == b"<109>nhsmail-worker: " + (tmp_path / "audit" / "one.jsonl").read_bytes().rstrip()


def test_a_line_reaches_another_machines_syslog(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
        service.bind(("127.0.0.1", 0))
        _trail(tmp_path / "audit", Syslog(service.getsockname())).record("worker.paused")
        assert service.recv(4096).startswith(b'<109>nhsmail-worker: {"n":1,')


def test_a_syslog_that_is_not_there_stops_nothing(tmp_path: Path) -> None:
    trail = _trail(tmp_path / "audit", Syslog(str(tmp_path / "nothing")))
    trail.record("worker.paused")
    assert verify(trail).records == 1


def test_a_line_reaches_standard_output(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    _trail(tmp_path / "audit", StandardOutput()).record("worker.paused")
    assert capfdbinary.readouterr().out == (tmp_path / "audit" / "one.jsonl").read_bytes()
