"""``cloister project``: what some members work on and others do not see."""

from __future__ import annotations

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.workflows.people import projects


@click.group("project")
def command() -> None:
    """Projects: another project's objects are as if they were not there.

    Admins and auditors see every project; everybody else those they are a member of.
    """


@command.command("create")
@click.argument("name")
@with_context
def create(context: Context, name: str) -> None:
    """Make a project.

    \b
    Example:
      cloister project create thorax
    """
    with open_lab(context) as lab:
        made = projects.create_project(lab, name)
    context.output.line(f"project {made.name}, without members yet")
    context.output.value({"project": made.project, "name": made.name})


@command.command("ls")
@with_context
def ls(context: Context) -> None:
    """List the projects you see, and their members."""
    with open_lab(context) as lab:
        found = projects.list_projects(lab)
    rows = [(one.name, ", ".join(names) or "-", one.project) for one, names in found]
    context.output.table(("project", "members", "id"), rows)
    context.output.value(
        [{"project": one.project, "name": one.name, "members": names} for one, names in found]
    )


@command.command("join")
@click.argument("project")
@click.argument("member")
@with_context
def join(context: Context, project: str, member: str) -> None:
    """Let MEMBER see the objects of PROJECT."""
    with open_lab(context) as lab:
        projects.join_project(lab, project, member)
    context.output.line(f"{member} sees {project}")
    context.output.value({"project": project, "joined": member})


@command.command("leave")
@click.argument("project")
@click.argument("member")
@with_context
def leave(context: Context, project: str, member: str) -> None:
    """Let MEMBER see the objects of PROJECT no more."""
    with open_lab(context) as lab:
        projects.leave_project(lab, project, member)
    context.output.line(f"{member} sees {project} no more")
    context.output.value({"project": project, "left": member})
