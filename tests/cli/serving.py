"""A server of the lab's, asked as a client on the network would."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import Shell


@contextmanager
def serving(shell: Shell, run: str = "last", *words: str) -> Iterator[dict[str, Any]]:
    """The address of what ``cloister serve`` serves, until the block ends."""
    process = shell.start("--json", "serve", run, *words)
    assert process.stdout is not None
    text = ""
    while not text.endswith("\n}\n"):
        line = process.stdout.readline()
        assert line, process.communicate()
        text += line
    try:
        yield json.loads(text)
    finally:
        process.terminate()
        process.communicate(timeout=120)


def ask(address: dict[str, Any], name: str, rows: Any) -> dict[str, Any]:
    """The outputs for ``rows`` (an array), by name; over TLS that trusts the lab's CA alone."""
    trust = ssl.create_default_context(cafile=address["ca_file"])
    secret = Path(address["token_file"]).read_text()
    asked = {
        "name": name,
        "datatype": "FP32",
        "shape": list(rows.shape),
        "data": rows.ravel().tolist(),
    }
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(verify=trust, headers=headers, timeout=60) as client:
        answer = client.post(address["infer"], json={"inputs": [asked]})
    assert answer.status_code == 200, answer.text
    return {one["name"]: one["data"] for one in answer.json()["outputs"]}
