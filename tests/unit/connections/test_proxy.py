"""The table of the proxy as it is read, and what is shown of it."""

import pickle
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.connections import Proxy, Unprotected

USER, PASSWORD = "svc-mailworker", "Quiet-Harbour-73"


@pytest.mark.parametrize(
    ("given_", "fault"),
    [
        ({"url": "proxy:3128"}, "url must begin with http://, https://, socks5:// or socks5h://"),
        ({"url": "socks4://proxy:1080"}, "url must begin with"),
        ({"url": "http://proxy"}, "url must name the proxy's host and port"),
        ({"url": "http://:3128"}, "url must name the proxy's host and port"),
        ({"url": "http://proxy:0"}, "url must name the proxy's host and port"),
        ({"url": "http://proxy:port"}, "url must be a URL"),
        ({"url": "http://proxy:3128/path"}, "url has nothing after the port"),
        ({"url": f"http://{USER}:{PASSWORD}@proxy:3128"}, "url can't hold a user or a password"),
        ({"username": USER}, "username and password"),
        ({"password": PASSWORD}, "username and password"),
        ({"username": "a:b", "password": PASSWORD}, "username can't have a colon"),
        ({"username": USER, "password": "pässword"}, "password must be 1 to 255 plain ASCII"),
        ({"username": USER, "password": ""}, "password must be 1 to 255"),
        ({"username": USER, "password": "x" * 256}, "password must be 1 to 255"),
        ({"username": USER, "password": "a\r\nX: y"}, "password must be 1 to 255"),
        ({"no_proxy": ("a b",)}, 'no_proxy: "a b" is no name'),
    ],
)
def test_what_cannot_be_right(given_: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)) as caught:
        Proxy.of(**{"url": "https://proxy:3128", **given_})
    assert PASSWORD not in str(caught.value)
    assert USER not in str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_credentials_in_clear_text(scheme: str) -> None:
    given_: dict[str, Any] = {"url": f"{scheme}://proxy.example:3128", "username": USER, "password": PASSWORD}
    with pytest.raises(Unprotected, match=r"adding to \[proxy\] the line: allow_clear = true"):
        Proxy.of(**given_)
    assert Proxy.of(**given_, allow_clear=True).sends_clear
    here = Proxy.of(**(given_ | {"url": f"{scheme}://127.0.0.1:3128"}))
    assert not here.sends_clear
    assert not Proxy.of(f"{scheme}://proxy.example:3128").sends_clear
    assert not Proxy.of(**(given_ | {"url": "https://proxy.example:3128"})).sends_clear


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=6, max_size=60))
def test_no_password_is_shown(password: str) -> None:
    found = Proxy.of("https://proxy.example:3128", username=USER, password=password)
    assert found.password == password
    if password not in repr(Proxy.of("https://proxy.example:3128", username=USER, password="-")):
        assert password not in repr(found)
        assert password not in str(found)
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 -- our own: so a child process gets it


def test_what_it_is() -> None:
    tunnel, socks, here = (Proxy.of(f"{one}://[::1]:3128") for one in ("https", "socks5h", "socks5"))
    assert (tunnel.is_http, tunnel.is_encrypted, tunnel.resolves, tunnel.shown) == (True, True, True, "[::1]:3128")
    assert (socks.is_http, socks.is_encrypted, socks.resolves) == (False, False, True)
    assert not here.resolves
    named = Proxy.of("https://p.example:1", username="a", password="b/@:c")
    assert named.url_with_credentials == "https://a:b%2F%40%3Ac@p.example:1"
