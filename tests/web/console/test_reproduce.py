"""A run had again by asking the service: a job like any other, and a verdict on record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.cli.gateway import gateway
from tests.conftest import Shell, new_lab

SAME = "import pathlib; pathlib.Path('out.txt').write_text('as ever')\nprint('done')\n"
OTHER = "import os, pathlib; pathlib.Path('out.txt').write_bytes(os.urandom(9))\n"


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with new_lab() as made:
        (made.folder / "same.py").write_text(SAME)
        (made.folder / "other.py").write_text(OTHER)
        yield made


@pytest.fixture(scope="module")
def client(shell: Shell) -> Iterator[httpx.Client]:
    with gateway(shell) as up, up.client() as made:
        yield made


def verdict_of(client: httpx.Client, run: str) -> dict[str, Any]:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        found = client.get(f"/api/1/runs/{run}").json()["fenced"]["verdicts"]
        if found:
            return dict(found[-1])
        time.sleep(0.1)
    raise AssertionError("no verdict came")


@pytest.mark.parametrize(("script", "verdict"), [("same", "IDENTICAL"), ("other", "DIFFERENT")])
def test_a_run_is_reproduced_by_the_service(
    shell: Shell, client: httpx.Client, script: str, verdict: str
) -> None:
    run = shell.json("run", "--", "python3", f"{script}.py")["run"]
    asked = client.post(f"/api/1/runs/{run}/reproduce")
    assert asked.status_code == 201, asked.text
    replay = asked.json()["run"]
    assert asked.json()["starts"] is True
    told = verdict_of(client, run)
    assert (told["verdict"], told["replay"], told["replays"]) == (verdict, replay, 1)
    page = client.get(f"/api/1/runs/{replay}").json()["fenced"]
    assert (page["origin"]["origin"], page["origin"]["how"]) == (run, "replay")
    assert shell("audit").returncode == 0


def test_what_cannot_be_had_again_is_said_at_once(shell: Shell, client: httpx.Client) -> None:
    assert client.post("/api/1/runs/run_nothing/reproduce").status_code == 404
    # A replay of a replay is a replay like any other; a run that goes on is none.
    process = shell.start(
        "run", "--here", "--", "python3", "-c", "import time; time.sleep(600)"
    )
    try:
        end = time.monotonic() + 120
        running: list[Any] = []
        while not running and time.monotonic() < end:
            filtered = {"filter": "attributes.status = 'RUNNING'"}
            running = client.get("/api/1/runs", params=filtered).json()["items"]
        answer = client.post(f"/api/1/runs/{running[0]['run']}/reproduce")
        assert answer.status_code == 400, answer.text
        assert "running" in answer.json()["error"]["message"]
    finally:
        process.terminate()
        process.communicate(timeout=120)
