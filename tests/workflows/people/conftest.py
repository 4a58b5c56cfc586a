"""A lab in this process, and members of it who act one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from cloister.app import config as configuration
from cloister.app.auditing import audit_lab
from cloister.app.platform import opened
from cloister.core.clock import Clock, SystemClock
from cloister.identity import people
from cloister.testing.clock import ManualClock
from cloister.workflows.lab import Lab
from cloister.workflows.people.members import add_member
from tests.conftest import Shell, new_lab


@dataclass(frozen=True)
class Team:
    """A lab, and whoever is asked to act in it."""

    lab: Lab
    """As its founder, an admin at the machine."""
    clock: ManualClock
    shell: Shell
    config: configuration.Config

    def member(self, name: str, role: str, *into: str) -> Lab:
        """The lab as a new member gets it, present in person."""
        given = {"into": into} if into else {}
        person = add_member(self.lab, name, role, **given)
        return self.again(person.name)

    def again(self, name: str, *, present: bool = True) -> Lab:
        """The lab as a member gets it now."""
        actor = self.lab.read(
            lambda tx: people.actor(tx, people.find(tx, name), "session:x", present=present)
        )
        return replace(self.lab, actor=actor)

    def whole(self) -> bool:
        """Whether a replay of the ledger gives every row as it is."""
        report = audit_lab(self.config, os.getuid()).report
        return report.found == 0


@pytest.fixture(scope="module")
def founded() -> Iterator[Shell]:
    """One lab for a module: every test brings members with names of their own."""
    with new_lab() as shell:
        yield shell


@pytest.fixture
def team(founded: Shell) -> Iterator[Team]:
    """The lab, open."""
    with opened_team(founded) as made:
        yield made


@pytest.fixture
def own_team(lab: Shell) -> Iterator[Team]:
    """A lab of one test's own, open."""
    with opened_team(lab, SystemClock()) as made:
        yield made


@contextmanager
def opened_team(shell: Shell, clock: Clock | None = None) -> Iterator[Team]:
    """The lab of ``shell`` in this process."""
    around = configuration.Surroundings(shell.environment, os.getuid(), shell.home)
    config = configuration.load(around, shell.home / "cloister-lab")
    manual = ManualClock()
    with opened(config, os.getuid()) as found:
        yield Team(replace(found.lab, clock=clock or manual), manual, shell, config)
