"""The team, for admins; and what a second person has to agree to."""

from __future__ import annotations

from cloister.policy import PERSONS, Action
from cloister.web.people.account_pages import own
from cloister.web.people.asking import Answer, Ask, goto
from cloister.web.people.desk import Desk, Page
from cloister.web.people.gate import Guest
from cloister.web.people.html import Html, field, form, h, hidden, moment, page, table, tag
from cloister.workflows.people import approvals, invitations, members
from cloister.workflows.people.approvals import ApprovalLine
from cloister.workflows.people.invitations import Invitation
from cloister.workflows.people.members import MemberLine


def people_page(
    _desk: Desk, guest: Guest, ask: Ask, invited: Invitation | None = None
) -> Answer:
    """Who belongs to the team."""
    admin = guest.lab.actor.role == "admin"
    rows = [_row(line, admin=admin) for line in members.list_members(guest.lab)]
    new = form(
        "/people",
        field("Name", "name", maxlength="64"),
        tag("label", tag("span", "Role"), _roles("engineer")),
        button="Add and invite",
    )
    body = h(
        _link(ask, invited),
        table("Members", ("name", "role", "logs in with", "projects", ""), rows),
        h(tag("h2", "A new member"), tag("div", new, class_="card")) if admin else h(),
    )
    return Answer(page("People", body, name=own(guest).person.name))


def add(desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """A new member, invited."""
    member = members.add_member(guest.lab, ask.form("name").strip(), ask.form("role"))
    made = invitations.invite(guest.lab, member.person)
    return people_page(desk, guest, ask, made)


def invite(desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """A link for a member, for the first time or anew."""
    return people_page(desk, guest, ask, invitations.invite(guest.lab, ask.form("person")))


def change(_desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """Another role."""
    members.change_member(guest.lab, ask.form("person"), ask.form("role"))
    return goto("/people")


def remove(_desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """One member less."""
    members.remove_member(guest.lab, ask.form("person"))
    return goto("/people")


def approvals_page(_desk: Desk, guest: Guest, _ask: Ask) -> Answer:
    """What waits for a second person."""
    lines = approvals.list_approvals(guest.lab, everything=True)
    rows = [_request(guest, line) for line in reversed(lines)]
    header = ("action", "what", "by", "until", "state", "")
    body = (
        table("Requests", header, rows) if rows else tag("p", "Nothing waits.", class_="soft")
    )
    return Answer(page("Approvals", body, name=own(guest).person.name))


def approve(_desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """Consent."""
    approvals.decide_approval(guest.lab, ask.form("approval"), give=True)
    return goto("/approvals")


def refuse(_desk: Desk, guest: Guest, ask: Ask) -> Answer:
    """No consent."""
    approvals.decide_approval(guest.lab, ask.form("approval"), give=False)
    return goto("/approvals")


def _row(line: MemberLine, *, admin: bool) -> tuple[Html | str, ...]:
    person = hidden("person", line.person.person)
    acts = h(
        form("/people/invite", person, button="Invite anew"),
        " ",
        form("/people/remove", person, button="Remove"),
    )
    role: Html | str = line.person.role
    if admin:
        role = form("/people/role", person, _roles(line.person.role), button="Change")
    ways = ", ".join(line.ways) or "nothing yet"
    projects = ", ".join(line.projects)
    return line.person.name, role, ways, projects, acts if admin else ""


def _roles(chosen: str) -> Html:
    options = [tag("option", role, value=role, selected=role == chosen) for role in PERSONS]
    return tag("select", *options, name="role", aria_label="Role")


def _link(ask: Ask, invited: Invitation | None) -> Html:
    if invited is None:
        return h()
    said = f"Give this link to {invited.name}, and to nobody else. It is good once, until"
    return tag(
        "div",
        tag("p", f"{said} {moment(invited.expires)}."),
        tag("code", f"https://{ask.host}{invited.path}"),
        class_="card",
        role="alert",
    )


def _request(guest: Guest, line: ApprovalLine) -> tuple[Html | str, ...]:
    what = "; ".join(f"{key}: {_said(value)}" for key, value in line.approval.what.items())
    approval = hidden("approval", line.approval.approval)
    mine = line.approval.asker == guest.lab.actor.person
    decides = line.state == "waiting" and not mine and _may(guest)
    acts = h(
        form("/approvals/approve", approval, button="Agree"),
        " ",
        form("/approvals/refuse", approval, button="Refuse"),
    )
    state = line.state if line.decider is None else f"{line.state} ({line.decider})"
    until = moment(line.approval.expires)
    return line.approval.action, what, line.asker, until, state, acts if decides else ""


def _may(guest: Guest) -> bool:
    from cloister.policy import ROLES

    return Action.APPROVE in ROLES.get(guest.lab.actor.role, frozenset())


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


PAGES = (
    Page("GET", "/people", people_page),
    Page("POST", "/people", add, fields=("name", "role")),
    Page("POST", "/people/invite", invite, fields=("person",)),
    Page("POST", "/people/role", change, fields=("person", "role")),
    Page("POST", "/people/remove", remove, fields=("person",)),
    Page("GET", "/approvals", approvals_page),
    Page("POST", "/approvals/approve", approve, fields=("approval",)),
    Page("POST", "/approvals/refuse", refuse, fields=("approval",)),
)
