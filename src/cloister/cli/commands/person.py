"""``cloister person``: who belongs to the team."""

from __future__ import annotations

import pwd

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.errors import BadInput
from cloister.identity.people import Person
from cloister.workflows.people import members


@click.group("person")
def command() -> None:
    """The team: who belongs to it, and in which role.

    Roles: admin, engineer, researcher, annotator, auditor, site.
    """


@command.command("add")
@click.argument("name")
@click.option("--role", required=True, help="What they may do: see `cloister person roles`.")
@click.option("--os-user", metavar="USER", help="Their account on this machine.")
@click.option(
    "--project", "into", multiple=True, help="Whose objects they see; may be repeated."
)
@with_context
def add(
    context: Context, name: str, role: str, os_user: str | None, into: tuple[str, ...]
) -> None:
    """Add a member. NAME is what they log in with.

    They come in by their account on this machine (--os-user), in the browser after
    `cloister person invite`, or, for a program, with a token of `cloister token issue`.

    \b
    Examples:
      cloister person add ada --role engineer --os-user ada
      cloister person add "Dr. Grace" --role annotator --project thorax
    """
    with open_lab(context) as lab:
        given = {"into": into} if into else {}
        member = members.add_member(lab, name, role, _uid(os_user), **given)
    context.output.line(f"{member.name} is a member, as {member.role}")
    context.output.value(_value(member))


@command.command("ls")
@with_context
def ls(context: Context) -> None:
    """List the members, their roles, and how they can come in."""
    with open_lab(context) as lab:
        lines = members.list_members(lab)
    header = ("name", "role", "OS user", "logs in with", "projects", "id")
    rows = [
        (
            line.person.name,
            line.person.role,
            None if line.person.os_uid is None else f"uid {line.person.os_uid}",
            ", ".join(line.ways) or "-",
            ", ".join(line.projects) or "-",
            line.person.person,
        )
        for line in lines
    ]
    context.output.table(header, rows)
    context.output.value(
        [_value(line.person) | {"ways": line.ways, "projects": line.projects} for line in lines]
    )


@command.command("roles")
@with_context
def roles(context: Context) -> None:
    """Show what each role may do."""
    from cloister.policy import PERSONS, ROLES

    able = {role: sorted(ROLES[role]) for role in PERSONS}
    context.output.table(
        ("role", "may"), [(role, ", ".join(may)) for role, may in able.items()]
    )
    context.output.value(able)


@command.command("invite")
@click.argument("name")
@with_context
def invite(context: Context, name: str) -> None:
    """Print a link with which a member sets how they log in: good once, for three days.

    A link from before is void. Whoever follows it sets everything anew: what the member
    logged in with until then, and their sessions, end.

    \b
    Example:
      cloister person invite ada
    """
    from cloister.workflows.people import invitations

    with open_lab(context) as lab:
        made = invitations.invite(lab, name)
    context.output.line(f"for {made.name}, until {made.expires[:16]}Z, at the lab's address:")
    context.output.line(f"  {made.path}")
    context.output.value({"name": made.name, "path": made.path, "expires": made.expires})


@command.command("change")
@click.argument("name")
@click.option("--role", help="What they may do from now on.")
@click.option("--os-user", metavar="USER", help="Their account on this machine from now on.")
@with_context
def change(context: Context, name: str, role: str | None, os_user: str | None) -> None:
    """Give a member another role or OS user; it holds from their next request on."""
    if role is None and os_user is None:
        raise BadInput("nothing to change", hint="say --role or --os-user")
    with open_lab(context) as lab:
        member = members.change_member(lab, name, role, _uid(os_user))
    context.output.line(f"{member.name} is {member.role}")
    context.output.value(_value(member))


@command.command("remove")
@click.argument("name")
@with_context
def remove(context: Context, name: str) -> None:
    """Remove a member: their tokens, sessions and passkeys are void at once.

    What they did stays on record.
    """
    with open_lab(context) as lab:
        member = members.remove_member(lab, name)
    context.output.line(f"{member.name} is no member any more")
    context.output.value(_value(member))


def _uid(user: str | None) -> int | None:
    """The number of an account; it must be there, so that nobody gets it by chance later."""
    if user is None:
        return None
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError as error:
        raise BadInput("no such user on this machine", hint="see `getent passwd`") from error


def _value(member: Person) -> dict[str, object]:
    return {
        "person": member.person,
        "name": member.name,
        "role": member.role,
        "os_uid": member.os_uid,
    }
