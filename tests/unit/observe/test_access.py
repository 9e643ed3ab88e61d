"""Who may see page and metrics, by the address that they are served at."""

import pytest

from worker.observe.access import address, is_loopback


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False), ("example", False)],  # noqa: S104 -- what is refused
)  # fmt: skip
def test_loopback_is_told_from_the_rest(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("listen", "found"),
    [("127.0.0.1:8080", ("127.0.0.1", 8080)), ("[::1]:9", ("::1", 9)), ("localhost:0", ("localhost", 0))],
)
def test_a_setting_is_a_host_and_a_port(listen: str, found: tuple[str, int]) -> None:
    assert address(listen) == found
