"""Claim: where a lab asks for it, nothing grave happens at a terminal that was left open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloister.policy import Action
from tests.conftest import Shell
from tests.workflows.people.conftest import opened_team

GRAVE = {
    "export": ("get", "data1", "-o", "out"),
    "erase": ("erase", "-", "--reason", "withdrawn", "--yes"),
    "keys": ("keys", "shares", "2of3"),
    "people": ("person", "add", "friend", "--role", "admin"),
    "account": ("token", "issue", "mine"),
}


@pytest.fixture
def strict(scans: Shell) -> Shell:
    """A lab that asks."""
    settings = scans.home / "cloister-lab/cloister.toml"
    settings.write_text("prove_at_machine = true\n" + settings.read_text())
    return scans


def test_what_is_grave_asks_for_the_passphrase_and_nothing_else_does(strict: Shell) -> None:
    for name, words in GRAVE.items():
        refused = strict(*words, typed="P001\n", status=None)
        assert refused.returncode == 3, (name, refused.stderr)
        assert "--prove" in refused.stderr
    assert not (strict.folder / "out").exists()
    strict("ls", "data1")
    assert len(strict.json("person", "ls")) == 1
    for name in ("export", "people", "account", "erase"):
        strict("--prove", *GRAVE[name], typed="P001\n")
    assert len(strict.json("person", "ls")) == 2
    assert strict.json("audit")["whole"]


def test_a_wrong_passphrase_proves_nothing(strict: Shell) -> None:
    wrong = strict.home / "wrong"
    wrong.write_text("guess\n")
    environment = {"CLOISTER_PASSPHRASE_FILE": str(wrong)}
    refused = strict("--prove", *GRAVE["export"], status=4, env=environment)
    assert "E302" in refused.stderr
    assert not (strict.folder / "out").exists()


def test_an_erasure_that_was_cut_short_is_finished_without_asking_again(strict: Shell) -> None:
    subject = strict.json("subject", "pseudonym", "-", typed="P001\n")["subject"]
    with opened_team(strict) as team:  # what `erase` has on record when it is killed
        there = replace(team.lab, actor=replace(team.lab.actor, present=True))
        act = there.act(Action.ERASE)
        body = {"operation": "op_aaaaaaaaaaaaaaaa", "reason": "x", "subjects": [subject]}
        act.record([act.event("erase.intended", body)])
    assert "finished the erasure" in strict("ls").stderr
