"""Text out of a message, told apart from all other text by its type."""


class ContentStr(str):
    """Text that a message brought: a header, a body, a file's name. Everywhere a string like any other, but in the log.

    Whatever field it is given to by mistake, log and audit trail refuse it by its type, before they look at its form: a
    subject of one plain word looks like a word of ours. What is made out of it (a slice, `lower()`, an f-string) is an
    ordinary string again, and is told apart by its form alone.
    """

    __slots__ = ()
