"""``cloister session``: who is logged in."""

from __future__ import annotations

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.workflows.people import sessions


@click.group("session")
def command() -> None:
    """Logins in browsers: listed, and ended."""


@command.command("ls")
@with_context
def ls(context: Context) -> None:
    """List your open sessions; everybody's, if you look after people."""
    with open_lab(context) as lab:
        lines = sessions.list_sessions(lab)
    rows = [
        (
            line.session.session,
            line.whose,
            line.session.how,
            f"{line.session.time[:16]}Z",
            f"{line.session.expires[:16]}Z",
        )
        for line in lines
    ]
    header = ("session", "whose", "how", "since", "until")
    context.output.listed(header, rows, "nobody is logged in")


@command.command("close")
@click.argument("session")
@with_context
def close(context: Context, session: str) -> None:
    """End SESSION, an id of `cloister session ls`, from its next request on."""
    with open_lab(context) as lab:
        sessions.close_session(lab, session)
    context.output.line(f"{session} has ended")
    context.output.value({"session": session, "state": "closed"})
