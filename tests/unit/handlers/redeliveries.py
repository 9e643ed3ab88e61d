"""One message, as often as a person has it handled again."""

from pathlib import Path

from worker import Message
from worker.testing import make_message

KEY = "a" * 26


def message(redelivery: int, subject: str = "Report", attachment: bytes = b"%PDF-1.7") -> Message:
    return make_message(
        key=KEY, subject=subject, attachments={"report.pdf": attachment}, text=subject, redelivery=redelivery
    )


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
