"""Files that hold secrets and certificates, and a state folder that outlasts a restart."""

import resource
from pathlib import Path

import pytest

from tests.rig.tls import Authority
from worker.settings import Settings, check_files, check_state_dir, read_secret, secret_file_faults
from worker.settings.disk import forgetful, parse_mounts

PASSWORD = "Correct-Horse-7"

DOCKER = """\
1024 900 0:77 / / rw,relatime master:300 - overlay overlay rw,lowerdir=/l1:/l2,upperdir=/u,workdir=/w
1025 1024 0:80 / /proc rw,nosuid - proc proc rw
1026 1024 0:81 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
1030 1024 8:1 /var/lib/docker/volumes/state/_data /var/lib/nhsmail-worker rw,relatime master:1 - ext4 /dev/sda1 rw
1031 1024 8:1 /srv/with\\040space /mnt/a\\040b rw,relatime - ext4 /dev/sda1 rw
1032 1024 0:90 / /tmp rw,relatime - tmpfs tmpfs rw
"""
KUBERNETES = """\
2000 1900 0:200 / / rw,relatime - overlay overlay rw
2001 2000 8:1 /var/lib/kubelet/pods/0a1b/volumes/kubernetes.io~empty-dir/state /state rw - ext4 /dev/sda1 rw
2002 2000 8:16 / /claimed rw,relatime - ext4 /dev/sdb rw
"""
NAME = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
ANONYMOUS = [
    f"/var/lib/docker/volumes/{NAME}/_data",
    f"/volumes/{NAME}/_data/below",
    f"/home/me/.local/share/docker/volumes/{NAME}/_data",
    f"/var/lib/containers/storage/volumes/{NAME}/_data",
    f"/var/lib/nerdctl/1935db59/volumes/default/{NAME}/_data",
    f"/var/lib/containerd/io.containerd.grpc.v1.cri/containers/{NAME}/volumes/{NAME}",
    f"/containers/storage/overlay-containers/{NAME}/userdata/mounts/{NAME}",
]
NAMED = [
    "/var/lib/docker/volumes/state/_data",
    f"/var/lib/docker/volumes/state-{NAME}/_data",
    f"/srv/{NAME}",
    "/var/lib/kubelet/pods/0a1b/volumes/kubernetes.io~local-volume/state",
]
BTRFS_LAYER = "3000 2900 0:40 /subvolumes/abc / rw,relatime - btrfs /dev/sda2 rw\n"
LAPTOP = """\
22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
23 22 8:3 / /home rw,relatime shared:2 - btrfs /dev/sda3 rw
24 22 0:30 / /run rw,nosuid shared:3 - tmpfs tmpfs rw
25 22 0:31 / /covered rw - ext4 /dev/sda4 rw
26 22 0:32 / /covered rw - tmpfs tmpfs rw
nonsense
"""


@pytest.mark.parametrize(
    ("mountinfo", "path", "in_container", "said"),
    [
        (DOCKER, "/var/lib/nhsmail-worker", True, None),
        (DOCKER, "/var/lib/nhsmail-worker/deeper", True, None),
        (DOCKER, "/var/lib/nhsmail-worker-2", True, "a container's own layer"),
        (DOCKER, "/state", True, "a container's own layer"),
        (DOCKER, "/tmp/state", True, "memory (tmpfs)"),  # noqa: S108 -- the mount above
        (DOCKER, "/mnt/a b/state", True, None),
        (KUBERNETES, "/state", True, "an emptyDir volume"),
        (KUBERNETES, "/claimed/state", True, None),
        (BTRFS_LAYER, "/var/lib/nhsmail-worker", True, "a container's own layer"),
        (BTRFS_LAYER, "/var/lib/nhsmail-worker", False, None),
        (LAPTOP, "/home/me/state", False, None),
        (LAPTOP, "/var/lib/nhsmail-worker", False, None),
        (LAPTOP, "/run/state", False, "memory (tmpfs)"),
        (LAPTOP, "/covered", False, "memory (tmpfs)"),
        ("", "/state", False, None),
    ],
)
def test_what_a_restart_may_empty_is_known_by_its_mount(
    mountinfo: str, path: str, in_container: bool, said: str | None
) -> None:
    assert forgetful(path, parse_mounts(mountinfo), in_container=in_container) == said


@pytest.mark.parametrize(
    ("root", "said"),
    [
        *((root, "an anonymous volume, which is new for each container") for root in ANONYMOUS),
        *((root, None) for root in NAMED),
    ],
)
def test_a_volume_that_nobody_has_named_is_gone_with_its_container(root: str, said: str | None) -> None:
    mounted = f"1 0 0:50 / / rw - overlay overlay rw\n2 1 8:1 {root} /state rw - ext4 /dev/sda1 rw\n"
    for in_container in (True, False):
        assert forgetful("/state/deeper", parse_mounts(mounted), in_container=in_container) == said


def settings(**tables: object) -> Settings:
    return Settings.model_validate({**tables, "account": {"address": "a@nhs.net", **_table(tables.get("account"))}})


def _table(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def secret(folder: Path, content: str = PASSWORD, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_text(content)
    path.chmod(mode)
    return path


def test_a_writable_folder_will_do_and_is_left_as_it_was(tmp_path: Path) -> None:
    checked = settings(state={"dir": str(tmp_path), "ephemeral": True})
    assert check_state_dir(checked) == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_be_made_will_do_and_isnt_made_yet(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state"
    assert check_state_dir(settings(state={"dir": str(state), "ephemeral": True})) == []
    assert not state.parent.exists()


@pytest.mark.parametrize(("below", "said"), [("file", "is not a folder"), ("file/state", "is not a folder")])
def test_a_file_is_no_state_folder(tmp_path: Path, below: str, said: str) -> None:
    (tmp_path / "file").touch()
    (fault,) = check_state_dir(settings(state={"dir": str(tmp_path / below), "ephemeral": True}))
    assert fault.startswith("[state] dir: ")
    assert said in fault


def test_a_folder_where_nothing_can_be_written_is_a_fault() -> None:
    faults = check_state_dir(settings(state={"dir": "/proc/self/nothing", "ephemeral": True}))
    assert len(faults) == 1
    assert "doesn't exist, and can't be made" in faults[0]


def test_a_full_disk_is_a_fault_though_it_takes_an_empty_file(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        faults = check_state_dir(settings(state={"dir": str(tmp_path), "ephemeral": True}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(faults) == 1
    assert "can't be written" in faults[0]
    assert list(tmp_path.iterdir()) == []


def test_memory_is_no_place_for_the_count_of_attempts_unless_somebody_says_so() -> None:
    forgetting, accepted = {"dir": "/dev/shm"}, {"dir": "/dev/shm", "ephemeral": True}  # noqa: S108 -- tmpfs is the point
    (fault,) = check_state_dir(settings(state=forgetting))
    assert fault.startswith("[state] dir: /dev/shm is on memory (tmpfs), which a restart may empty")
    assert "the account could be locked" in fault
    assert check_state_dir(settings(state=accepted)) == []


@pytest.mark.parametrize(
    ("mode", "accepted_by"),
    [
        (0o600, {"private", "group", "any"}),
        (0o400, {"private", "group", "any"}),
        (0o640, {"group", "any"}),
        (0o440, {"group", "any"}),
        (0o644, {"any"}),
        (0o660, {"any"}),
        (0o604, {"any"}),
    ],
)
def test_who_may_read_a_secret(tmp_path: Path, mode: int, accepted_by: set[str]) -> None:
    path = secret(tmp_path, mode=mode)
    for who in ("private", "group", "any"):
        faults = secret_file_faults(path, who)
        assert (faults == []) is (who in accepted_by)
        assert PASSWORD not in "".join(faults)


@pytest.mark.parametrize(("content", "said"), [("", "is empty"), ("\n", "is empty"), ("x" * 70_000, "too large")])
def test_a_file_that_holds_no_secret_is_a_fault(tmp_path: Path, content: str, said: str) -> None:
    (fault,) = secret_file_faults(secret(tmp_path, content), "private")
    assert said in fault


def test_a_secret_that_isnt_text_is_a_fault_that_doesnt_quote_it(tmp_path: Path) -> None:
    path = secret(tmp_path)
    path.write_bytes(b"abc\xff")
    assert secret_file_faults(path, "private") == [
        f"{path} isn't UTF-8 text. It must hold the secret and nothing else."
    ]


@pytest.mark.parametrize(("content", "expected"), [("a b \n", "a b "), ("x\r\n", "x"), ("x\n\n", "x\n"), ("x", "x")])
def test_one_line_end_is_not_part_of_a_secret(tmp_path: Path, content: str, expected: str) -> None:
    read = read_secret(None, secret(tmp_path, content))
    assert read is not None
    assert read.get_secret_value() == expected


def test_every_file_that_is_wrong_is_reported(tmp_path: Path) -> None:
    open_to_all, no_pem = secret(tmp_path, mode=0o644), tmp_path / "ca.pem"
    no_pem.write_text("not a certificate")
    account = {
        "password_file": str(open_to_all),
        "ca_file": str(no_pem),
        "oauth": {"client_secret_file": str(tmp_path / "missing"), "certificate_file": str(tmp_path)},
    }
    relay = {
        "relay": {
            "host": "relay.example",
            "from": "a@trust.nhs.uk",
            "to": ["duty.team@nhs.net"],
            "ca_file": str(tmp_path / "nowhere"),
        }
    }
    faults = check_files(settings(account=account, health={"token_file": str(open_to_all)}, alerts=relay))
    assert sorted({fault.split(": ")[0] for fault in faults}) == [
        "[account.oauth] certificate_file",
        "[account.oauth] client_secret_file",
        "[account] ca_file",
        "[account] password_file",
        "[alerts.relay] ca_file",
        "[health] token_file",
    ]


def test_a_private_authority_and_a_client_certificate_are_read(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    assert check_files(settings(account={"ca_file": str(authority.ca_file)})) == []
    certificate = secret(tmp_path, "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n")
    assert check_files(settings(account={"oauth": {"certificate_file": str(certificate)}})) == []
    certificate.write_text("-----BEGIN CERTIFICATE-----\n")
    (fault,) = check_files(settings(account={"oauth": {"certificate_file": str(certificate)}}))
    assert "holds no private key" in fault


def test_a_path_that_no_file_can_have_is_a_fault() -> None:
    (fault,) = secret_file_faults(Path("pass\0word"), "private")
    assert "embedded null" in fault
