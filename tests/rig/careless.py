"""A handler that leaks content wherever it can: into exceptions, logs, warnings, threads, and a crash."""

import logging
import os
import signal
import threading
import warnings
from pathlib import Path

from pydantic import BaseModel

from worker import Message, Reject, Retry


class Careless:
    """Does what the message's X-Do header says, and puts the message's content into it."""

    class Settings(BaseModel):
        died: Path
        """Created before the handler kills the process, so that it does so only once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, message: Message) -> None:
        said = f"{message.subject} {message.sender} {message.text} {[part.filename for part in message.attachments]}"
        match (message.headers.get("X-Do") or "").strip():
            case "error":
                raise ValueError(said)
            case "group":
                raise ExceptionGroup(said, [KeyError(said), OSError(5, said, said)])
            case "cause":
                try:
                    int(said)
                except ValueError as error:
                    raise RuntimeError(said) from error
            case "reject":
                raise Reject(said)
            case "retry":
                raise Retry(said)
            case "log":
                logging.getLogger("site").error("could not file %s", said)
                logging.getLogger(said[:40]).warning(said)
                warnings.warn(said, UserWarning, stacklevel=1)
            case "say":
                word = message.subject.split()[2].lower()  # one word, which has the form of an event and of a name
                message.log("careless.said", count=1)
                message.log(word)
                message.log(f"careless.{word}")
                message.log("careless.said", word=word)
                message.log("careless.said", **{word: 1})
                logging.getLogger("site").warning(word)
                raise Reject(word)
            case "thread":
                thread = threading.Thread(target=self._fail, args=(said,), name=said[:30])
                thread.start()
                thread.join()
            case "class":
                raise type(f"Unfit{''.join(filter(str.isalnum, said))[:80]}", (Exception,), {})(said)
            case "die" if not self._settings.died.exists():
                self._settings.died.touch()
                os.kill(os.getpid(), signal.SIGKILL)

    def _fail(self, said: str) -> None:
        raise ValueError(said)
