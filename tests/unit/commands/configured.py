"""An installation whose commands can be run, with nothing behind its mail server's address."""

from pathlib import Path

from worker.commands.context import Context

ADDRESS = "pathology.results@nhs.net"


def configured(folder: Path, **state: str) -> Context:
    """A command of a worker whose folder this is."""
    lines = "".join(f'{name} = "{value}"\n' for name, value in {"dir": str(folder / "state"), **state}.items())
    (folder / "worker.toml").write_text(
        f'[account]\naddress = "{ADDRESS}"\nhost = "127.0.0.1"\nport = 9\n[state]\n{lines}ephemeral = true\n'
        f'[[route]]\nname = "all"\nhandlers = ["archive"]\n[handler.archive]\nurl = "file://{folder}/archive"\n'
    )
    (folder / "password").touch(mode=0o600)
    environment = {"NHSMAIL_ACCOUNT__PASSWORD": "Bright-Harbour-92"}
    return Context.from_files(folder / "worker.toml", environment, reading=True)
