"""The examples in which others run the worker: they can be read, and their configurations are good ones."""

import json
import subprocess
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it comes without types

from worker.cli.main import run
from worker.commands.exits import ExitCode
from worker.settings.reference import reference

ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "compose.yaml").read_text()
KUBERNETES: list[dict[str, Any]] = list(
    yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "worker.yaml").read_text())
)
SECRETS = {
    "client-secret": "a-secret-of-the-application",
    "token": "a-token-of-more-than-16",
    "nhsmail_client_secret": "a-secret-of-the-application",
}


def _of(kind: str) -> dict[str, Any]:
    (found,) = (one for one in KUBERNETES if one["kind"] == kind)
    return found


def _of_compose() -> str:
    return "\n".join(line.removeprefix("#     ") for line in COMPOSE.splitlines() if line.startswith("#     "))


def _checked(folder: Path, configuration: str, mode: int) -> None:
    """`check` finds nothing in the configuration, its paths in this folder. mode: of the secrets, as mounted."""
    for name, text in SECRETS.items():
        secret = folder / name
        secret.write_text(text)
        secret.chmod(mode)
    configuration = configuration.replace("/run/secrets/nhsmail-worker", str(folder)).replace(
        "/run/secrets", str(folder)
    )
    configuration = configuration.replace("/var/lib/nhsmail-worker", str(folder))
    configuration = configuration.replace("[state]\n", "[state]\nephemeral = true\n")
    file = folder / "worker.toml"
    file.write_text(configuration)
    assert run(["check", "--config", str(file)]) == 0


def test_the_configuration_that_compose_asks_for_is_a_good_one(tmp_path: Path) -> None:
    assert "pathology.results@nhs.net" in _of_compose()
    _checked(tmp_path, _of_compose(), 0o400)


def test_the_configuration_of_the_manifest_is_a_good_one(tmp_path: Path) -> None:
    volumes = _of("Deployment")["spec"]["template"]["spec"]["volumes"]
    (mode,) = (volume["secret"]["defaultMode"] for volume in volumes if "secret" in volume)
    assert mode == 0o440  # a number, whichever YAML is spoken
    _checked(tmp_path, _of("ConfigMap")["data"]["worker.toml"], mode)


def test_no_example_logs_in_with_a_password() -> None:
    """Exchange Online refuses them, in the words of a wrong one. The demo, on its own mailbox, is no example."""
    readme = (ROOT / "README.md").read_text().partition("```toml\n")[2].partition("```")[0]
    manifest = _of("ConfigMap")["data"]["worker.toml"]
    for text in (readme, _of_compose(), manifest, reference().partition("```toml\n")[2].partition("```")[0]):
        account = tomllib.loads(text)["account"]
        assert account["auth"].startswith("oauth2-"), account
        assert account["auth"] != "oauth2-password"
        assert "password_file" not in account


def test_the_configuration_of_the_readme_is_a_good_one(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text().partition("```toml\n")[2].partition("```")[0]
    _checked(tmp_path, readme.replace("/etc/nhsmail-worker", str(tmp_path)), 0o400)


def test_compose_mounts_what_the_configuration_names() -> None:
    compose = yaml.safe_load(COMPOSE)
    worker = compose["services"]["worker"]
    assert {f"/run/secrets/{name}" for name in worker["secrets"]} == {"/run/secrets/nhsmail_client_secret"}
    assert "/run/secrets/nhsmail_client_secret" in _of_compose()
    assert "state:/var/lib/nhsmail-worker" in worker["volumes"]
    assert worker["read_only"] is True
    assert compose["secrets"].keys() == set(worker["secrets"])


def test_the_manifest_mounts_what_the_configuration_names() -> None:
    pod = _of("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {"/var/lib/nhsmail-worker", "/run/secrets/nhsmail-worker", "/etc/nhsmail-worker", "/tmp"} == mounts  # noqa: S108 -- the container's
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert _of("Deployment")["spec"]["strategy"] == {"type": "Recreate"}


def test_the_network_policy_lets_out_names_mail_and_the_sign_in_service_alone() -> None:
    rules = _of("NetworkPolicy")["spec"]["egress"]
    assert sorted(port["port"] for rule in rules for port in rule["ports"]) == [53, 53, 443, 993]


def _unit() -> ConfigParser:
    unit = ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as systemd has them
    unit.read_string((ROOT / "deploy" / "systemd" / "nhsmail-worker.service").read_text())
    return unit


def test_the_service_runs_what_the_readme_installs_with_the_folders_of_the_pages() -> None:
    service, page = _unit()["Service"], (ROOT / "docs" / "handlers.md").read_text()
    program, command = service["ExecStart"].split()
    assert command == "run"
    assert f"scripts/install {Path(program).parents[1]}\n" in (ROOT / "README.md").read_text()
    assert f'dir = "/var/lib/{service["StateDirectory"]}"' in page
    assert service["Environment"] == "NHSMAIL_CONFIG=/etc/nhsmail-worker/worker.toml"
    for folder in service["ReadWritePaths"].split():
        assert folder.startswith("-")  # a folder that isn't there doesn't keep the worker from starting
        assert f'{folder[1:]}"' in page
    for words in (
        f"adduser --system --group --no-create-home {service['User']}",
        "deploy/systemd/nhsmail-worker.service",
    ):
        assert words in page


def test_the_service_is_started_again_only_where_that_may_help() -> None:
    service = _unit()["Service"]
    assert service["Restart"] == "on-failure"
    never = {int(code) for code in service["RestartPreventExitStatus"].split()}
    assert never == {ExitCode.USAGE, ExitCode.HALTED, ExitCode.CONFIGURATION}
    grace = yaml.safe_load(COMPOSE)["services"]["worker"]["stop_grace_period"]
    assert service["TimeoutStopSec"] == grace
    assert service["KillMode"] == "mixed"  # handlers' own processes end when the worker says so


def test_the_service_is_one_that_systemd_understands(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "systemd" / "nhsmail-worker.service").read_text()
    unit = tmp_path / "nhsmail-worker.service"
    unit.write_text(text.replace("/opt/nhsmail-worker/bin/nhsmail-worker", "/bin/true"))  # it looks for the program
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    about = [line for line in verified.stderr.splitlines() if "nhsmail-worker" in line]
    assert (verified.returncode, about) == (0, [])


def test_a_drop_in_gives_the_service_the_rights_for_handlers_of_another_user_and_no_more(tmp_path: Path) -> None:
    unit = tmp_path / "nhsmail-worker.service"
    text = (ROOT / "deploy" / "systemd" / "nhsmail-worker.service").read_text()
    unit.write_text(text.replace("/opt/nhsmail-worker/bin/nhsmail-worker", "/bin/true"))
    drop_in = (ROOT / "deploy" / "systemd" / "other-user.conf").read_text()
    (tmp_path / "nhsmail-worker.service.d").mkdir()
    (tmp_path / "nhsmail-worker.service.d" / "other-user.conf").write_text(drop_in)
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    about = [line for line in verified.stderr.splitlines() if "nhsmail-worker" in line or "other-user" in line]
    assert (verified.returncode, about) == (0, [])
    rights = "CAP_SETUID CAP_SETGID CAP_KILL"
    settings = [line for line in drop_in.splitlines() if "=" in line and not line.startswith("#")]
    assert settings == [f"AmbientCapabilities={rights}", f"CapabilityBoundingSet={rights}"]


def test_no_example_lets_a_core_be_written() -> None:
    assert _unit()["Service"]["LimitCORE"] == "0"
    assert yaml.safe_load(COMPOSE)["services"]["worker"]["ulimits"] == {"core": 0}
    pod = _of("Deployment")["spec"]["template"]["spec"]
    assert (pod["shareProcessNamespace"], pod["hostPID"]) == (False, False)
    (container,) = pod["containers"]
    *shell, script, name = container["command"]
    assert shell == ["/bin/sh", "-c"]
    script = script.replace("/usr/bin/tini -- nhsmail-worker", "sh -c 'ulimit -c; echo \"$@\"' sh")
    said = subprocess.run([*shell, script, name, *container["args"]], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["0", "run"]


def test_the_manifest_starts_what_the_image_starts() -> None:
    entry = next(line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("ENTRYPOINT"))
    (container,) = _of("Deployment")["spec"]["template"]["spec"]["containers"]
    assert " ".join(json.loads(entry.removeprefix("ENTRYPOINT "))) in container["command"][2]


@pytest.mark.parametrize("words", ["chown 10001 nhsmail_client_secret", "chmod 0400 nhsmail_client_secret"])
def test_the_owner_of_the_secret_is_said_where_it_is_needed(words: str) -> None:
    assert words in COMPOSE
    assert words in (ROOT / "docs" / "containers.md").read_text()
