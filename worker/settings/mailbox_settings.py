"""The mailbox's own settings: how much it holds, and when to warn that it fills."""

from typing import Annotated

from pydantic import AfterValidator, Field

from worker.settings.types import Size, Table


def read_warn(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] >= value[1]:
        raise ValueError("must be two numbers, the smaller one first, such as [80, 95]")
    return value


Percent = Annotated[int, Field(ge=5, le=100)]


class MailboxSettings(Table):
    """How much the mailbox holds, and when to warn."""

    about = (
        "How full the mailbox may be. A full mailbox sends mail back to its senders. The worker asks the server for "
        "the quota once an hour. If the server gives none, as Exchange Online over IMAP, the worker adds up the "
        "sizes of all messages once a day. That is an estimate."
    )

    size: Size = Field(
        default=4_000_000_000,
        description="The size of the mailbox, for servers that give no limit.",
    )
    warn: Annotated[tuple[Percent, Percent], AfterValidator(read_warn)] = Field(
        default=(80, 95),
        description=(
            "The percentages at which the first warning (`mailbox-filling`) and the second (`mailbox-full`) begin. "
            "A warning ends two percentage points lower."
        ),
    )
