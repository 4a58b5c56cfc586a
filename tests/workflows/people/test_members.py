"""Members and projects: they come, change and go."""

from __future__ import annotations

import pytest

from cloister.core.errors import BadInput, Conflict, NotFound
from cloister.policy import Action
from cloister.workflows.people import projects
from cloister.workflows.people.members import (
    add_member,
    change_member,
    list_members,
    remove_member,
)
from tests.workflows.people.conftest import Team


def test_a_member_comes_changes_and_goes(team: Team) -> None:
    member = add_member(team.lab, "ada", "researcher")
    assert not team.again("ada").may(Action.ADD)
    change_member(team.lab, "ADA", "engineer")
    assert team.again("ada").may(Action.ADD)
    remove_member(team.lab, member.person)
    assert "ada" not in [line.person.name for line in list_members(team.lab)]
    with pytest.raises(NotFound):
        remove_member(team.lab, "ada")
    assert team.whole()


def test_a_name_that_is_free_again_is_another_person(team: Team) -> None:
    first = add_member(team.lab, "joan", "engineer")
    remove_member(team.lab, "joan")
    assert add_member(team.lab, "Joan", "engineer").person != first.person


@pytest.mark.parametrize("name", ["", " x", "a\nb", "x" * 65, "<b>", "a/b"])
def test_a_name_is_printable_and_short(team: Team, name: str) -> None:
    with pytest.raises(BadInput):
        add_member(team.lab, name, "engineer")


def test_names_and_roles_are_checked(team: Team) -> None:
    add_member(team.lab, "mary", "engineer")
    with pytest.raises(Conflict):
        add_member(team.lab, "MARY", "engineer")
    for role in ("root", "service", "Admin", ""):
        with pytest.raises(BadInput):
            add_member(team.lab, "mary2", role)


def test_a_lab_keeps_an_admin_at_its_machine(team: Team) -> None:
    founder = list_members(team.lab)[0].person
    second = team.member("second", "admin")
    for name in (founder.name, founder.person):
        with pytest.raises(Conflict):
            remove_member(second, name)
        with pytest.raises(Conflict):
            change_member(second, name, "engineer")
        with pytest.raises(Conflict):
            remove_member(team.lab, name)


def test_a_member_sees_the_projects_they_are_in(team: Team) -> None:
    projects.create_project(team.lab, "thorax")
    inside, outside = team.member("ina", "engineer", "thorax"), team.member("olaf", "engineer")
    assert [one.name for one, _ in projects.list_projects(inside)] == ["thorax"]
    assert [one.name for one, _ in projects.list_projects(outside)] == ["shared"]
    projects.join_project(team.lab, "thorax", "olaf")
    assert len(projects.list_projects(team.again("olaf"))) == 2
    projects.leave_project(team.lab, "thorax", "ina")
    assert projects.list_projects(team.again("ina")) == []
    assert team.again("olaf").actor.projects != inside.actor.projects
    with pytest.raises(NotFound):
        projects.in_project(inside, "shared")
    assert team.whole()


def test_auditors_and_admins_see_every_project(team: Team) -> None:
    projects.create_project(team.lab, "hidden")
    for role in ("admin", "auditor"):
        seen = projects.list_projects(team.member(f"sees-{role}", role))
        assert "hidden" in [one.name for one, _ in seen]
