"""The gateway, up, and asked as a client on this machine would."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import Shell


@dataclass(frozen=True)
class Gateway:
    """A ``cloister up`` that answers."""

    process: subprocess.Popen[str]
    said: dict[str, Any]

    @property
    def token(self) -> str:
        """What its start issued."""
        return Path(self.said["token_file"]).read_text()

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs to know."""
        return {
            "MLFLOW_TRACKING_URI": self.said["url"],
            "MLFLOW_TRACKING_TOKEN": self.token,
            "MLFLOW_TRACKING_SERVER_CERT_PATH": self.said["ca_file"],
        }

    def client(self, token: str | None = None, **options: Any) -> httpx.Client:
        """Trusts the lab's CA alone."""
        trust = ssl.create_default_context(cafile=self.said["ca_file"])
        if "auth" not in options:
            options["headers"] = {"authorization": f"Bearer {token or self.token}"}
        return httpx.Client(
            base_url=self.said["url"], verify=trust, trust_env=False, timeout=90, **options
        )


@contextmanager
def gateway(
    shell: Shell, *words: str, env: Mapping[str, str] | None = None
) -> Iterator[Gateway]:
    """``cloister up`` on a free port, until the block ends; it must end well."""
    process = shell.start("--json", "up", "--port", "0", *words, env=env or {})
    assert process.stdout is not None
    text = ""
    while not text.endswith("\n}\n"):
        line = process.stdout.readline()
        assert line, process.communicate()
        text += line
    try:
        yield Gateway(process, json.loads(text))
    finally:
        process.terminate()
        _, err = process.communicate(timeout=90)
        assert "Traceback" not in err, err
