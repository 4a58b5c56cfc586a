"""Claim: what needs two persons is done by two, for exactly what they agreed upon, once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cloister.core.encoding import to_bytes
from cloister.core.errors import BadInput, Conflict, NeedsApproval, NotAllowed, NotFound
from cloister.core.events import Transaction
from cloister.datasets.classes import DataClass
from cloister.identity.approvals import Approval
from cloister.policy import Action, TwoPersons
from cloister.workflows.data.classify import classify
from cloister.workflows.lab import Lab
from cloister.workflows.people import ruling
from cloister.workflows.people.approvals import (
    consent,
    decide_approval,
    list_approvals,
    use,
)
from cloister.workflows.people.members import change_member, remove_member
from tests.conftest import Shell, add_scans, write_scans
from tests.workflows.people.conftest import Team

WHAT = {"reason": "withdrawn", "subjects": ["sub_aaaaaaaaaaaaaaaa"]}
RULE = TwoPersons(frozenset({"erase"}), within_h=72)


def asked(lab: Lab, what: dict[str, object]) -> str:
    """The id of the request that is made by trying."""
    with pytest.raises(NeedsApproval) as caught:
        consent(lab.act(Action.ERASE), Action.ERASE, what)
    return caught.value.message.rpartition(" ")[2]


def given(lab: Lab, what: dict[str, object]) -> Approval:
    found = consent(lab.act(Action.ERASE), Action.ERASE, what)
    assert found is not None
    return found


def used(lab: Lab, approval: Approval) -> None:
    act = lab.act(Action.ERASE)

    def write(tx: Transaction) -> None:
        lab.ledger.append(tx, [use(act, tx, approval, "op_aaaaaaaaaaaaaaaa")])

    lab.database.write(write)


@pytest.fixture
def two(team: Team) -> Lab:
    """The founder, in a lab where nobody erases alone."""
    return replace(team.lab, two_persons=RULE)


def test_without_the_rule_nobody_is_asked(team: Team) -> None:
    assert consent(team.lab.act(Action.ERASE), Action.ERASE, WHAT) is None


def test_a_second_person_agrees_to_exactly_this_and_once(team: Team, two: Lab) -> None:
    what = WHAT | {"reason": "once"}
    request = asked(two, what)
    assert asked(two, what) == request  # asking again makes no second request
    auditor = team.member("agrees", "auditor")
    decide_approval(auditor, request, give=True)
    approval = given(two, what)
    assert asked(two, what | {"reason": "another"}) != request
    used(two, approval)
    with pytest.raises(NotAllowed, match="does not hold"):
        used(two, approval)
    assert asked(two, what) != request
    assert team.whole()


def test_nobody_agrees_to_their_own_request(two: Lab) -> None:
    request = asked(two, WHAT | {"reason": "own"})
    with pytest.raises(NotAllowed, match="their own"):
        decide_approval(two, request, give=True)


def test_who_may_not_approve_does_not(team: Team, two: Lab) -> None:
    request = asked(two, WHAT | {"reason": "roles"})
    for role in ("engineer", "researcher", "annotator", "site"):
        with pytest.raises(NotAllowed):
            decide_approval(team.member(f"no-{role}", role), request, give=True)
    auditor = team.member("away", "auditor")
    with pytest.raises(NotAllowed, match="show again"):
        decide_approval(team.again("away", present=False), request, give=True)
    assert decide_approval(auditor, request, give=False).state == "refused"
    with pytest.raises(Conflict):
        decide_approval(auditor, request, give=True)


def test_a_consent_is_not_for_another_admin_to_use(team: Team, two: Lab) -> None:
    what = WHAT | {"reason": "mine"}
    decide_approval(team.member("helps", "auditor"), asked(two, what), give=True)
    approval = given(two, what)
    thief = replace(team.member("thief", "admin"), two_persons=RULE)
    assert asked(thief, what) != approval.approval
    with pytest.raises(NotAllowed, match="another person"):
        used(thief, approval)


def test_a_request_and_a_consent_expire(team: Team, two: Lab) -> None:
    auditor = team.member("late", "auditor")
    request = asked(two, WHAT | {"reason": "slow"})
    quick = asked(two, WHAT | {"reason": "quick"})
    decide_approval(auditor, quick, give=True)
    approval = given(two, WHAT | {"reason": "quick"})
    team.clock.advance(timedelta(hours=72))
    with pytest.raises(Conflict, match="expired"):
        decide_approval(auditor, request, give=True)
    with pytest.raises(NotAllowed, match="does not hold"):
        used(two, approval)
    assert "expired" in {line.state for line in list_approvals(two, everything=True)}


@pytest.mark.parametrize("how", ["removed", "another role"])
def test_the_consent_of_who_is_no_approver_any_more_does_not_hold(
    team: Team, two: Lab, how: str
) -> None:
    what, name = WHAT | {"reason": how}, f"was {how}"
    decide_approval(team.member(name, "auditor"), asked(two, what), give=True)
    approval = given(two, what)
    if how == "removed":
        remove_member(team.lab, name)
    else:
        change_member(team.lab, name, "annotator")
    with pytest.raises(NotAllowed, match="gave the consent"):
        used(two, approval)


def test_an_unknown_request_is_said_to_be_unknown(team: Team) -> None:
    with pytest.raises(NotFound):
        decide_approval(team.lab, "apr_aaaaaaaaaaaaaaaa", give=True)


def refused(lab: Lab, **rule: object) -> str:
    """The id of the request that trying to loosen the rule makes."""
    with pytest.raises(NeedsApproval) as caught:
        ruling.change(lab, **rule)  # type: ignore[arg-type]
    return caught.value.message.rpartition(" ")[2]


def test_two_persons_loosen_the_rule_and_one_tightens_it(own_team: Team) -> None:
    lab, officer = own_team.lab, own_team.member("officer", "auditor")
    with pytest.raises(NotAllowed):
        ruling.change(own_team.member("eve", "engineer"), ["erase"])
    assert ruling.change(lab, ["erase", "classify"], within_h=10).within_h == 10
    assert ruling.change(lab, within_h=5).within_h == 5
    for looser in ({"waive": ["erase"]}, {"within_h": 6}, {"require": (), "within_h": 720}):
        refused(lab, **looser)
    request = refused(lab, waive=["erase"])
    with pytest.raises(NotAllowed, match="their own"):
        decide_approval(lab, request, give=True)
    decide_approval(officer, request, give=True)
    refused(lab, waive=["erase", "classify"])  # agreed upon was something else
    assert ruling.change(lab, waive=["erase"]).actions == {"classify"}
    ruling.change(lab, ["erase"])
    refused(lab, waive=["erase"])  # the consent is used up
    for nonsense in ({"require": ["read"]}, {"require": ["erase"], "waive": ["erase"]}):
        with pytest.raises(BadInput):
            ruling.change(lab, **nonsense)
    with pytest.raises(Conflict):
        ruling.change(lab, ["erase"])
    assert own_team.whole()


def test_editing_the_settings_does_not_loosen_the_rule(lab: Shell) -> None:
    settings = lab.home / "cloister-lab/cloister.toml"
    before = settings.read_text()
    write_scans(lab.folder / "scans")
    settings.write_text(before + "\n[approval]\nerase = true\nwithin_hours = 9\n")
    lab("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    settings.write_text(before)
    assert lab.json("approval", "rule") == {"actions": ["erase"], "within_hours": 9}
    erase = ("erase", "-", "--reason", "withdrawn", "--yes")
    assert "E205" in lab(*erase, typed="P001\n", status=3).stderr
    settings.write_text(before + "\n[approval]\nerase = false\nwithin_hours = 720\n")
    assert "E205" in lab(*erase, typed="P001\n", status=3).stderr
    assert "E205" in lab("approval", "rule", "--waive", "erase", status=3).stderr
    assert lab.json("audit")["whole"]


def test_lowering_a_data_class_waits_for_a_second_person(own_team: Team) -> None:
    shell, lab = own_team.shell, own_team.lab
    add_scans(shell)
    ruling.change(lab, ["classify"])
    lower = (lab, "data1", DataClass.INTERNAL, "no person is told from these")
    with pytest.raises(NeedsApproval) as caught:
        classify(*lower)
    request = caught.value.message.rpartition(" ")[2]
    decide_approval(own_team.member("officer", "auditor"), request, give=True)
    assert classify(*lower).now == DataClass.INTERNAL
    classify(lab, "data1", DataClass.IDENTIFIABLE, "names were found")  # upwards alone
    with pytest.raises(NeedsApproval):
        classify(*lower)


def test_an_erasure_waits_for_a_second_person_and_its_certificate_names_both(
    own_team: Team,
) -> None:
    shell, team = own_team.shell, own_team
    add_scans(shell)
    settings = team.config.folder / "cloister.toml"
    settings.write_text(settings.read_text() + "\n[approval]\nerase = true\n")
    erase = ("erase", "-", "--reason", "withdrawn", "--yes")
    waits = shell(*erase, typed="P001\n", status=3)
    assert "E205" in waits.stderr
    assert shell.json("trace", "-", typed="P001\n")["erased"] is None
    (request,) = shell.json("approval", "ls")
    assert "E201" in shell("approval", "approve", request["request"], status=3).stderr
    officer = team.member("officer", "auditor")
    decide_approval(officer, request["request"], give=True)
    assert "E205" in shell(*erase, typed="P002\n", status=3).stderr  # another patient
    shell(*erase, "--certificate", "proof", typed="P001\n")
    envelope = json.loads(Path(shell.folder / "proof/statement.dsse.json").read_text())
    said = json.loads(to_bytes(envelope["payload"]))
    assert officer.actor.person in json.dumps(said)
    assert shell.json("audit")["whole"]
