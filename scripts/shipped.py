"""What is shipped: the licences page of the documentation, and the image's bill of materials.

    python scripts/shipped.py licences > docs/licences.md      from requirements.lock, and what is installed here
    python scripts/shipped.py sbom > sbom.cdx.json             of the environment whose Python runs this

Nothing is asked of the network. The bill is CycloneDX 1.6, with neither time nor serial number, so that the same image
has the same bill.
"""

import json
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRODUCT = "nhsmail-worker"
SAID_ELSEWHERE = {"imapclient": "BSD-3-Clause"}  # its COPYING says so, its metadata nothing
SHORT = {  # what older metadata says, as SPDX has it
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "LGPL": "LGPL-3.0-or-later",
    "MIT License": "MIT",
    "ZPL 2.1": "ZPL-2.1",
}
IMAGE = {  # what the image runs on, for the lock's conditions
    "sys_platform": "linux",
    "python_full_version": "3.13.0",
    "python_version": "3.13",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}
HEAD = """# Licences

<!-- Written by `make docs` (scripts/shipped.py); a test compares the two. -->

The worker itself is under the MIT licence. With it come the libraries below, as `requirements.lock` has them. The image
holds its own list, a bill of materials in CycloneDX form: `/opt/nhsmail-worker/sbom.cdx.json`.

All are used unchanged, as libraries. Those under the LGPL (psycopg) can be exchanged for another version in the
environment.

What the base image brings (Python, Debian's packages, libmagic) has its licences in the image: `/usr/share/doc`.

| library | version | licence |
|---|---|---|
"""


def licence(name: str) -> str:
    """The licence of an installed package, as SPDX writes it where that is known."""
    about = metadata.metadata(name)
    if name.lower() in SAID_ELSEWHERE:
        return SAID_ELSEWHERE[name.lower()]
    first = (about.get("License") or "").strip().partition("\n")[0]
    classified = [line.split(" :: ")[-1] for line in about.get_all("Classifier") or [] if line.startswith("License")]
    found = about.get("License-Expression") or first or " AND ".join(classified)
    if not found or len(found) > 80:
        raise SystemExit(f"{name} says nothing of its licence: look it up, and add it to SAID_ELSEWHERE.")
    return SHORT.get(found, found)


def locked() -> Iterator[tuple[str, str]]:
    """Name and version of what the image installs."""
    from packaging.markers import Marker

    for line in (ROOT / "requirements.lock").read_text().splitlines():
        found = re.match(r"([a-z0-9][a-z0-9._-]*)==(\S+)(?: ; (.*?))? \\$", line)
        if found and (found[3] is None or Marker(found[3]).evaluate(IMAGE)):
            yield found[1], found[2]


def licences() -> str:
    """The page."""
    return HEAD + "".join(f"| {name} | {version} | {licence(name)} |\n" for name, version in locked())


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _component(name: str, version: str, kind: str = "library") -> dict[str, object]:
    purl = f"pkg:pypi/{_normal(name)}@{version}"
    said = licence(name)
    is_expression = " OR " in said or " AND " in said
    return {
        "type": kind,
        "bom-ref": purl,
        "name": _normal(name),
        "version": version,
        "purl": purl,
        "licenses": [{"expression": said}] if is_expression else [{"license": {"name": said}}],
    }


def sbom() -> str:
    """The bill of materials of the environment that this runs in."""
    installed = {_normal(one.metadata["Name"]): one.version for one in metadata.distributions()}
    version = installed.pop(PRODUCT)
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": _component(PRODUCT, version, "application")},
        "components": [_component(name, installed[name]) for name in sorted(installed)],
    }
    return json.dumps(bill, indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write({"licences": licences, "sbom": sbom}[sys.argv[1]]())
