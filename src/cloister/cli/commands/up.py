"""``cloister up``: console, gateway and queue, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloister.app import config as configuration
from cloister.cli.output import Output
from cloister.cli.root import Context, with_context
from cloister.cli.session import configured, open_lab
from cloister.core.errors import BadInput
from cloister.workflows.lab import Lab

if TYPE_CHECKING:
    from cloister.web.gateway import Up


@click.command("up")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8443,
    show_default=True,
    help="Where to listen; 0 takes any free port.",
)
@click.option(
    "--folder",
    "folders",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where jobs may work that are asked for in a browser; repeat. [default: this folder]",
)
@with_context
def command(context: Context, host: str, port: int, folders: tuple[Path, ...]) -> None:
    """Serve the console and MLflow's clients until Ctrl-C: HTTPS with TLS 1.3.

    While it runs, jobs start when their turn has come, and pipelines at their times. Browsers
    log in, the first with the link that is printed; programs bring a token. What logs from
    outside the fence is marked unfenced; jobs of `cloister run` find the same interface inside.

    \b
    Examples:
      cloister up --folder ~/work
      export MLFLOW_TRACKING_URI=https://127.0.0.1:8443
      export MLFLOW_TRACKING_TOKEN=$(cat TOKEN) MLFLOW_TRACKING_SERVER_CERT_PATH=LAB/ca.pem
      python train.py
    """
    try:
        from cloister.serving import Address
        from cloister.web.gateway import up
    except ModuleNotFoundError as error:
        raise BadInput(
            f"the gateway needs a library that is not installed: {error.name}",
            hint="pip install 'cloister[up]'",
        ) from error
    elsewhere = configured(context).oidc
    with open_lab(context) as lab:
        places = folders_for_jobs(lab, folders)
        up(
            lab,
            Address(host, port),
            lambda one: _announce(context.output, one, places),
            elsewhere,
            places,
        )


def folders_for_jobs(lab: Lab, named: tuple[Path, ...]) -> tuple[Path, ...]:
    """Where jobs from elsewhere may work: those that were named, else the one we are in.

    But not a whole home: whoever starts the service there did not mean all that lies in it.
    """
    if named:
        return tuple(folder.resolve() for folder in named)
    here, home = Path.cwd().resolve(), configuration.surroundings().home.resolve()
    whole = here == home or here in home.parents
    return () if whole or here == lab.folder or lab.folder in here.parents else (here,)


def _announce(output: Output, one: Up, folders: tuple[Path, ...]) -> None:
    output.line("up, until Ctrl-C")
    output.pairs(
        [
            ("console", one.url),
            ("MLFLOW_TRACKING_URI", one.url),
            ("MLFLOW_TRACKING_TOKEN", f"in {one.token_file}"),
            ("MLFLOW_TRACKING_SERVER_CERT_PATH", one.ca_file),
            ("jobs from a browser", " ".join(map(str, folders)) or "nowhere: --folder"),
        ]
    )
    join = None if one.invitation is None else one.url + one.invitation.path
    if join is not None:
        output.line(f"nobody can log in yet. Good once, for you alone: {join}")
    output.value(
        {
            "url": one.url,
            "token_file": str(one.token_file),
            "ca_file": str(one.ca_file),
            "join": join,
            "folders": [str(folder) for folder in folders],
        }
    )
