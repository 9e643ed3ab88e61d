"""What an operator and their monitoring see of a worker: its page, probes, metrics, and the alerts that it posts."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx


@dataclass(frozen=True)
class Window:
    """The worker's HTTP port, as seen from outside."""

    port: int

    def ask(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=10, trust_env=False)

    def code(self, path: str) -> int:
        """The HTTP status; 0 while nobody listens."""
        try:
            return self.ask(path).status_code
        except httpx.TransportError:
            return 0

    def metric(self, name: str) -> float:
        """The value of a sample by its full name, labels included; -1 if there is none."""
        for line in self.ask("/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return -1


@dataclass
class Receiver:
    """Keeps what is posted to it."""

    url: str = ""
    posted: list[bytes] = field(default_factory=list)

    def alerts(self) -> list[tuple[str, str]]:
        """Rule and state of each alert, in order."""
        found: list[dict[str, Any]] = [json.loads(body) for body in self.posted]
        return [(alert["rule"], alert["state"]) for alert in found]


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a web server that receives alerts for as long as the block lasts."""
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True  # a body after its head waits 40 ms otherwise

        def do_POST(self) -> None:
            received.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.url = f"http://127.0.0.1:{server.server_address[1]}/alerts"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield received
        server.shutdown()
        thread.join()
