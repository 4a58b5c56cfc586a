"""``cloister token``: what stands for a member over HTTPS."""

from __future__ import annotations

from pathlib import Path

import click

from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.core.files import write_new
from cloister.workflows.people import tokens


@click.group("token")
def command() -> None:
    """Tokens for programs and notebooks, over HTTPS: issued, listed, revoked."""


@command.command("issue")
@click.argument("purpose")
@click.option("--for", "whose", metavar="MEMBER", help="Whose it is. [default: yours]")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="ACTION",
    help="An action it is for; may be repeated. [default: all but what needs a person]",
)
@click.option("--days", type=int, default=90, show_default=True, help="How long it lives.")
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write it to a new FILE, 0600, and not to the terminal.",
)
@with_context
def issue(
    context: Context,
    purpose: str,
    whose: str | None,
    scopes: tuple[str, ...],
    days: int,
    file: Path | None,
) -> None:
    """Issue a token. PURPOSE says what it is for; it is shown once and kept nowhere.

    No token erases, exports, approves, touches keys or people: that needs a person.

    \b
    Examples:
      cloister token issue "notebook" --scope run --scope list
      cloister token issue "nightly training" --for ci --days 30 -o ci.token
    """
    chosen = frozenset(scopes) if scopes else None
    with open_lab(context) as lab:
        made = tokens.issue_token(lab, purpose, chosen, days, whose)
        if file is not None:
            write_new(file, [made.secret.encode()])
    output = context.output
    output.pairs(
        [
            ("token", made.secret if file is None else f"in {file}"),
            ("id", made.token),
            ("whose", made.whose),
            ("until", made.expires[:10]),
        ]
    )
    secret = {} if file is not None else {"secret": made.secret}
    output.value({"token": made.token, "whose": made.whose, "expires": made.expires, **secret})


@command.command("ls")
@with_context
def ls(context: Context) -> None:
    """List your tokens; everybody's, if you look after people."""
    with open_lab(context) as lab:
        lines = tokens.list_tokens(lab)
    rows = [
        (
            line.token.token,
            line.whose,
            line.token.purpose,
            "all" if line.token.scopes is None else ", ".join(sorted(line.token.scopes)),
            line.token.expires[:10],
            line.state,
        )
        for line in lines
    ]
    header = ("token", "whose", "purpose", "for", "until", "state")
    context.output.listed(header, rows, "no tokens yet: `cloister token issue PURPOSE`")


@command.command("revoke")
@click.argument("token")
@with_context
def revoke(context: Context, token: str) -> None:
    """Revoke TOKEN, an id of `cloister token ls`: it stands for nobody from now on."""
    with open_lab(context) as lab:
        found = tokens.revoke_token(lab, token)
    context.output.line(f"{found.token} ({found.purpose}) is revoked")
    context.output.value({"token": found.token, "state": "revoked"})
