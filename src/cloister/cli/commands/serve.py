"""``cloister serve``: a run's model, answering."""

from __future__ import annotations

import click

from cloister.cli.output import Output
from cloister.cli.root import Context, with_context
from cloister.cli.session import open_lab
from cloister.workflows.models.serve import ServeRequest, Serving, serve


@click.command("serve")
@click.argument("run")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Where to listen. [default: any free port]",
)
@click.option("--model", metavar="SHA256", help="Which, if RUN left several.")
@click.option("--tainted", is_flag=True, help="Serve it although a subject of it was erased.")
@with_context
def command(
    context: Context, run: str, host: str, port: int, model: str | None, tainted: bool
) -> None:
    """Answer for the model of RUN (or last) until Ctrl-C: HTTPS, Open Inference Protocol v2.

    Only a model whose signed statement verifies is loaded. Every answer is on record
    before it leaves, and watermarked "unreleased".

    \b
    Example:
      cloister serve last --port 8443
      curl --cacert LAB/ca.pem -H "Authorization: Bearer $(cat TOKEN)" \\
           https://127.0.0.1:8443/v2/models/run-.../infer -d @question.json
    """
    with open_lab(context) as lab:
        request = ServeRequest(run, host, port, model, tainted)
        serve(lab, request, lambda serving: _announce(context.output, serving))


def _announce(output: Output, serving: Serving) -> None:
    infer = f"{serving.url}/v2/models/{serving.name}/infer"
    output.line(f"serving {serving.run}, unreleased, until Ctrl-C")
    output.pairs(
        [
            ("infer", infer),
            ("model", f"sha256 {serving.model.sha256}"),
            ("token", f"in {serving.token_file}"),
            ("CA", serving.ca_file),
        ]
    )
    output.value(
        {
            "deployment": serving.deployment,
            "run": serving.run,
            "model": serving.name,
            "sha256": serving.model.sha256,
            "url": serving.url,
            "infer": infer,
            "token_file": str(serving.token_file),
            "ca_file": str(serving.ca_file),
        }
    )
