"""Whether somebody else's package has the name of one of ours, so that one of the two hides the other."""

import sys
from collections.abc import Iterator
from pathlib import Path

OURS = ("worker", "handlers")
_HOME = Path(__file__).resolve().parents[2]


def shadowed(error: BaseException) -> str:
    """What to tell a person if a name of ours is why this import failed; empty if it isn't."""
    missing = error.name if isinstance(error, ImportError) else None
    name = (missing or "").partition(".")[0]
    if name not in OURS:
        return ""
    return collision(name) or (
        f"'{name}' is the worker's own package, {_HOME / name / '__init__.py'}. Give yours another name (say, "
        f"'my_{name}'), or one of the two hides the other."
    )


def collision(name: str) -> str:
    """What to tell a person if another package has this name of ours; empty if there is none."""
    ours = _HOME / name / "__init__.py"
    other = next((place for place in _places(name) if place not in (ours, ours.parent)), None)
    if other is None:
        return ""
    theirs_first = _file_of(name) not in (ours, ours.parent)
    first, second = (other, ours) if theirs_first else (ours, other)
    return (
        f"Two packages here are named '{name}': the worker's own, {ours}, and {other}. {first} comes first on Python's "
        f"path and hides {second}. Rename yours (say, to 'my_{name}'), also where it is imported and in use; or take "
        "its folder off PYTHONPATH."
    )


def _file_of(name: str) -> Path | None:
    """Where the package that Python takes comes from."""
    module = sys.modules.get(name)
    file, path = getattr(module, "__file__", None), list(getattr(module, "__path__", ()))
    place = file or next(iter(path), None)
    return None if place is None else Path(place).resolve()


def _places(name: str) -> Iterator[Path]:
    """Every package or module of this name on Python's path, in its order."""
    for entry in sys.path:
        folder = Path(entry or ".").resolve() / name
        for place in (folder / "__init__.py", folder.with_suffix(".py")):
            if place.is_file():
                yield place
                break
        else:
            if folder.is_dir() and any(folder.glob("*.py")):
                yield folder
