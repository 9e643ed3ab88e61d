"""Runs the command `nhsmail-worker` in processes that start at once: forked from one that has imported the worker.

    with Prefork(folder, environment) as prefork:
        answer = prefork.run(["status"], folder, environment, 60.0)

Each command is a process of its own, with a folder, an environment and an end as usual. Only the imports, which take
most of the time of a short command, are done once.
"""

import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Self

COMMAND = Path(sys.executable).with_name("nhsmail-worker")


class Prefork:
    """Runs commands. Threads may do so side by side.

    folder: where its socket lies. environment: what decides how Python encodes text, for one (LANG).
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._path = folder / "prefork.socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._path))
            listener.listen()
            self._parent = subprocess.Popen(
                [sys.executable, __file__, str(listener.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=environment,
                pass_fds=[listener.fileno()],
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._parent.communicate()  # its standard input ends, and so does it
        self._path.unlink()

    def run(
        self, words: Iterable[str], folder: Path, environment: Mapping[str, str], seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder until it ends. Raises TimeoutError if that takes longer."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, socket.socket(socket.AF_UNIX) as asks:
            asks.settimeout(seconds)
            asks.connect(str(self._path))
            arguments = list(words)
            order = {"words": arguments, "folder": str(folder), "environment": dict(environment)}
            socket.send_fds(asks, [json.dumps(order).encode()], [out.fileno(), err.fileno()])
            asks.shutdown(socket.SHUT_WR)
            code = int(asks.recv(100))
            return subprocess.CompletedProcess(arguments, code, _text(out), _text(err))


def _text(file: IO[bytes]) -> str:
    """All that is in the file, as `subprocess` reads text."""
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n").replace("\r", "\n")


def _serve(listener: socket.socket) -> None:
    """The parent of all commands: it has one thread, has imported everything, and has opened nothing."""
    import nhsmail_worker
    import worker

    for module in pkgutil.walk_packages(worker.__path__, "worker."):
        if "__main__" not in module.name and ".versions." not in module.name and not module.name.endswith(".env"):
            importlib.import_module(module.name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who asks is told by a process between, which nobody waits for
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        asked, _ = listener.accept()
        if os.fork() == 0:
            order, files = _ordered(asked)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            command = os.fork()
            if command == 0:
                asked.close()
                listener.close()
                _become(order, files)
                nhsmail_worker.main()
                return
            asked.sendall(str(os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])).encode())
            os._exit(0)
        asked.close()


def _ordered(asked: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """What to run, and the files for its output."""
    first, files, _, _ = socket.recv_fds(asked, 65_536, 2)
    parts = [first]
    while part := asked.recv(65_536):
        parts.append(part)
    return json.loads(b"".join(parts)), files


def _become(order: Mapping[str, Any], files: Iterable[int]) -> None:
    """Be as a command that was just started."""
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), *files)):
        os.dup2(file, number)
        os.close(file)
    sys.argv = [str(COMMAND), *order["words"]]
    sys.path[0] = str(COMMAND.parent)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
