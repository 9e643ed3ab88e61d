"""Secrets never stand in the configuration file. Each comes from the environment, or from a file of its own."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from worker import private_files
from worker.settings.model import Place, secret_places, twin
from worker.settings.sources import Given
from worker.settings.wording import title, variable

# A handler's setting holds a secret if its name ends like this.
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|pwd|secret|token|credential|(?:api|private|secret)_?key)$"
)
# user:password@host. The password may hold a slash, but host:port/…@… holds no password.
_USER_AND_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#:@]*:(?!\d{1,5}(?:[/?#]|$))[^\s@]+@")
_SECRET_PARAMETER = re.compile(
    r"://[^\s?]*\?(?:[^\s#]*&)?(?:password|passwd|pwd|secret|sig|token|access_token|api_?key|code)=[^\s&#]",
    re.IGNORECASE,
)


def has_password(text: str) -> bool:
    """Whether a text contains a URL with a password or another secret in it."""
    return bool(_USER_AND_PASSWORD.search(text) or _SECRET_PARAMETER.search(text))


def misplaced_secrets(given: Given, add: Callable[[Place, str], None]) -> None:
    """Report secrets that are in the file, and remove them from the values, so that no message can repeat them."""
    urls = {place for place, is_url in secret_places() if is_url}
    secrets = {place for place, is_url in secret_places() if not is_url}
    for at, value in _leaves(given.from_file):
        place = next((at[:length] for length in range(1, len(at)) if at[:length] in secrets), at)
        if place in secrets or (place[0] == "handler" and _SECRET_NAME.search(place[-1].lower()) and place not in urls):
            add(place, "a secret doesn't belong in this file. Change the secret, because it is now in a file. Give "
                f"the new one in {variable(place)} or name a file that holds it in {title(twin(place))}.")  # fmt: skip
        elif isinstance(value, str) and has_password(value):
            add(place, "is a URL with a password, which doesn't belong in this file. Change the password, because "
                f"it is now in a file. Give the URL in {variable(place)}" + _or_twin(place, urls) + ".")  # fmt: skip
        else:
            continue
        if place not in given.variables:
            _drop(given.values, place)


def prefer_environment(given: Given) -> None:
    """Let a secret from the environment replace a file that the configuration names, and the other way round."""
    for place, _ in secret_places():
        file = twin(place)
        for one, other in ((place, file), (file, place)):
            if one in given.variables and other not in given.variables:
                _drop(given.values, other)


def read_secret(value: SecretStr | None, file: Path | None) -> SecretStr | None:
    """Return a secret from its setting, or from the file that its twin names. The file's mode was checked at the start.

    Raises:
        OSError: the file can't be read.
        UnfitSecret: the file can't hold a secret.
    """
    return value if file is None else SecretStr(private_files.read_secret(file))


def _or_twin(place: Place, urls: set[Place]) -> str:
    return f" or name a file that holds it in {title(twin(place))}" if place in urls else ""


def _leaves(values: Any, above: Place = ()) -> Iterator[tuple[Place, Any]]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield from _leaves(value, (*above, key))
    elif isinstance(values, list):
        for number, value in enumerate(values, 1):
            yield from _leaves(value, (*above, str(number)))
    elif above:
        yield above, values


def _drop(values: Any, place: Place) -> None:
    for key in place[:-1]:
        values = values.get(key) if isinstance(values, dict) else None
    if isinstance(values, dict):
        values.pop(place[-1], None)
