"""Asks until each answer passes; or takes what was given as options, and names all that is missing or faulty."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from worker.commands.exits import ExitCode, Failure
from worker.commands.failures import faulty
from worker.commands.init.draft import Draft, faults_about
from worker.commands.init.missing_file import how_to_make
from worker.commands.init.questions import (
    CERTIFICATE,
    CLIENT_SECRET,
    EVERY,
    SINCE,
    Answers,
    Question,
    asked,
    default_of,
    fits,
    read,
)
from worker.settings import SettingsError
from worker.settings.model import Place

Given = Mapping[Place, str]
"""What was given as options, by the places of the settings."""


class Person(Protocol):
    """Whoever answers."""

    def tell(self, text: str) -> None:
        """Show them a text."""

    def ask(self, prompt: str) -> str | None:
        """Their answer; None: there will be no more."""


class Stopped(Exception):
    """The person broke the questions off."""


class Interview:
    """Asks a person. What was given as an option isn't asked for, unless it is faulty."""

    def __init__(self, draft: Draft, person: Person, given: Given, now: datetime) -> None:
        self._draft = draft
        self._person = person
        self._given = dict(given)
        self._now = now
        self.answers: Answers = {}

    def conduct(self) -> None:
        """Ask for everything but `SINCE`, and again for whatever makes the whole faulty.

        Raises:
            Stopped
            Failure: an option has no meaning here, or the whole is faulty, and no answer can mend it.
        """
        for question in asked(self.answers):
            self._settle(question)
        for question in _left(self._given, self.answers):
            self._settle(question)
        while faults := self._draft.faults(self.answers):
            again = [question for question in EVERY if faults_about(question, faults)]
            if not again:
                raise faulty(SettingsError(faults))
            for question in again:
                self._ask(question, faults_about(question, faults))

    def given(self, question: Question) -> bool:
        """Whether it was given as an option, and passed."""
        text = self._given.pop(question.place, None)
        if text is None:
            return False
        faults = self.take(question, text)
        self._tell(faults)
        return not faults

    def take(self, question: Question, text: str) -> list[str]:
        """Enter an answer, unless something is wrong with it. Returns what that is, and what to do about it."""
        self.answers.pop(question.place, None)
        if not text:
            return [] if question.optional else ["An answer is needed here."]
        try:
            value = read(question, text, self._now)
        except ValueError as error:
            return [str(error)]
        self.answers[question.place] = value
        found = self._draft.faults_about(question, self.answers)
        if found:
            del self.answers[question.place]
            found += how_to_make(question, Path(str(value)))
        return found

    def answer(self, prompt: str) -> str:
        """Ask anything. Raises `Stopped` where there is no answer any more."""
        text = self._person.ask(prompt)
        if text is None:
            raise Stopped
        return text.strip()

    def _settle(self, question: Question) -> None:
        if question is CERTIFICATE and CERTIFICATE.place not in self._given and CLIENT_SECRET.place in self._given:
            return
        if not self.given(question):
            self._ask(question, [])

    def _ask(self, question: Question, faults: list[str]) -> None:
        self._introduce(question)
        while True:
            self._tell(faults)
            default = default_of(question, self.answers)
            shown = f" [{default}]" if default else ""
            faults = self.take(question, self.answer(f"{question.asks}{shown}: ") or default)
            if not faults:
                return

    def _introduce(self, question: Question) -> None:
        if question.about:
            self._person.tell(f"\n{question.about}")
        width = max((len(choice.name) for choice in question.choices), default=0)
        for number, choice in enumerate(question.choices, 1):
            self._person.tell(f"  {number}  {choice.name:<{width}}  {choice.about}")

    def _tell(self, lines: list[str]) -> None:
        for line in lines:
            self._person.tell(f"  {line}")


def from_options(draft: Draft, given: Given, now: datetime) -> Answers:
    """The answers where nobody can be asked.

    Raises:
        Failure: an option is missing, means nothing or has no meaning here; or the whole is faulty.
    """
    answers: Answers = {}
    left, missing, wrong = dict(given), [], []

    def take(question: Question) -> None:
        text = left.pop(question.place, "") or default_of(question, answers)
        if not text:
            missing.extend([] if question.optional else [question.option])
            return
        try:
            answers[question.place] = read(question, text, now)
        except ValueError as error:
            wrong.append(f"{question.option}: {error}")

    for question in asked(answers):
        take(question)
    take(SINCE)
    if missing or wrong:
        lines = (
            [f"Without a terminal, the command can't ask questions. Missing: {', '.join(missing)}."] if missing else []
        )
        raise Failure(ExitCode.USAGE, "\n".join([*lines, *wrong, "Nothing was written."]))
    for question in _left(left, answers):
        take(question)
    if faults := draft.faults(answers):
        failure = faulty(SettingsError(faults))
        ways = [
            line
            for question in EVERY
            if faults_about(question, faults) and question.place in answers
            for line in how_to_make(question, Path(str(answers[question.place])))
        ]
        raise Failure(failure.code, "\n".join([str(failure), *ways, "Nothing was written."]))
    return answers


def _left(given: Given, answers: Answers) -> list[Question]:
    """What was given as an option, and isn't asked for in this case. `SINCE` has its own time.

    Raises:
        Failure: one of them has no meaning here.
    """
    left = [question for question in EVERY if question.place in given and question is not SINCE]
    useless = [question.option for question in left if not fits(question, answers)]
    if useless:
        text = f"{', '.join(useless)} can't be used with the other answers. Leave it out. Nothing was written."
        raise Failure(ExitCode.USAGE, text)
    return left
