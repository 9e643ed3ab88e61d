"""The floor, or raw fetch: one connection, one `UID FETCH 1:*`; all bytes are read into a reused buffer and discarded.

Run as `python -m bench.floor HOST PORT CA_FILE ADDRESS PASSWORD`. Prints seconds and bytes.
"""

import socket
import ssl
import sys
import time


def floor(host: str, port: int, ca_file: str, address: str, password: str) -> tuple[float, int]:
    """Return the seconds since connecting, and the bytes read."""
    context = ssl.create_default_context(cafile=ca_file)
    buffer = memoryview(bytearray(1 << 18))
    started = time.perf_counter()
    with socket.create_connection((host, port), 60) as plain, context.wrap_socket(plain, server_hostname=host) as tls:
        tls.recv_into(buffer)
        _ask(tls, buffer, f"LOGIN {address} {password}")
        _ask(tls, buffer, "EXAMINE INBOX")
        count = _ask(tls, buffer, "UID FETCH 1:* (BODY.PEEK[])")
    return time.perf_counter() - started, count


def _ask(tls: ssl.SSLSocket, buffer: memoryview, command: str) -> int:
    """Send a command and read its whole response; returns the bytes read."""
    tls.sendall(f"F1 {command}\r\n".encode())
    count, tail = 0, b"\n"
    while not (tail.endswith(b"\r\n") and b"\nF1 " in tail):
        received = tls.recv_into(buffer)
        if not received:
            raise RuntimeError(f"the server hung up at {command.split()[0]}")
        count += received
        tail = (tail + bytes(buffer[max(0, received - 1000) : received]))[-1000:]
    if b"\nF1 OK" not in tail:
        raise RuntimeError(f"{command.split()[0]}: {tail!r}")
    return count


def main() -> None:
    """Print the figures."""
    host, port, ca_file, address, password = sys.argv[1:]
    seconds, count = floor(host, int(port), ca_file, address, password)
    print(seconds, count)


if __name__ == "__main__":
    main()
