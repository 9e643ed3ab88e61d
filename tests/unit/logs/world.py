"""An exception that quotes mail, as nobody is to see it in the log."""

MARK = "Patient-Zebedee"


def failing(error: BaseException) -> BaseException:
    password = MARK
    try:
        try:
            raise KeyError(password)  # noqa: TRY301 -- the cause has to have been raised
        except KeyError:
            raise error  # noqa: B904 -- the context is what is looked at
    except BaseException as raised:  # noqa: BLE001 -- whatever was given
        return raised
