"""Text from a message, distinguished from all other text by its type."""


class ContentStr(str):
    """Text from a message: a header, a body, a file name. It behaves like any other string, except in the log.

    The log and the audit trail refuse it by its type, whatever field it is passed to by mistake. Its form isn't enough
    to recognise it, because a subject of one plain word looks like one of our own words. Anything derived from it (a
    slice, `lower()`, an f-string) is an ordinary string again, which can be recognised by its form alone.
    """

    __slots__ = ()
