"""``cloister verifier``: the one file that checks bundles without Cloister."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from cloister.cli.root import Context, with_context
from cloister.core.errors import NotFound
from cloister.core.files import write_new


@click.command("verifier")
@click.argument("file", type=click.Path(path_type=Path), default="cloister_verify.py")
@with_context
def command(context: Context, file: Path) -> None:
    """Write cloister_verify.py: standard library and `cryptography` only.

    Hand it to the auditor together with lab.pub, apart from the bundles it is to check.
    """
    spec = find_spec("cloister_verify")
    if spec is None or spec.origin is None:
        raise NotFound("cloister_verify.py is not part of this installation")
    write_new(file, [Path(spec.origin).read_bytes()], 0o644)
    context.output.line(f"wrote {file}")
    context.output.value({"file": str(file)})
