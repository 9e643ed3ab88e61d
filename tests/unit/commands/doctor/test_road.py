"""The road to a server: whoever is told of a proxy isn't told its password."""

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from worker.commands.doctor.road import Road


@given(password=st.text(min_size=1))
def test_a_proxy_is_named_without_its_credentials(password: str) -> None:
    url = f"http://person:{quote(password, safe='')}@proxy.trust.example:3128"
    road = Road("login.example", 443, "[account.oauth] authority", 5.0, proxy=url)
    assert road.proxy_host == "proxy.trust.example:3128"


def test_a_proxy_without_a_port_is_at_the_usual_one() -> None:
    road = Road("login.example", 443, "", 5.0, proxy="http://proxy.trust.example")
    assert road.proxy_host == "proxy.trust.example:80"
