"""What runs against a mailbox runs against Dovecot, and once more against one that behaves as Exchange on a usual day.

Of the second run a part belongs to `make test-slow`; the rest, which takes minutes, to `make test-all`.
"""

import pytest

QUICK = ("test_once", "test_run")
"""Files whose second run is slow, and not long."""
LEFT_OUT = {
    "test_exchange": "has servers of its own",
    "test_doctor": "says what the server is like, and its tests expect what Dovecot is like",
    "test_game_day": "its faults are the operator's, and its rows are compared with a page that was written on Dovecot",
    "test_closed_process": "is about the process, and not about the mailbox",
    "test_audit_copy": "is about files, and not about the mailbox",
}


SECOND = "usual"
"""The scenario of the second run."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test with a mailbox on the shared Dovecot its second run."""
    file = metafunc.module.__name__.rpartition(".")[2]
    if "dovecot_server" not in metafunc.fixturenames or file in LEFT_OUT:
        return
    is_long = file not in QUICK or metafunc.definition.get_closest_marker("long") is not None
    mark = pytest.mark.long if is_long else pytest.mark.slow
    metafunc.parametrize(
        "dovecot_server",
        [pytest.param(None, id=pytest.HIDDEN_PARAM), pytest.param(SECOND, id="exchange", marks=mark)],
        indirect=True,
        scope="session",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The second run of what is slow by itself is long, and no longer slow."""
    for item in items:
        given = getattr(item, "callspec", None)  # of a test with parameters
        if given is not None and given.params.get("dovecot_server") == SECOND and item.get_closest_marker("long"):
            item.own_markers[:] = [mark for mark in item.own_markers if mark.name != "slow"]
