"""Claim: what an upload acknowledged is there after a SIGKILL at any moment, sealed; and one
that was whole becomes exactly one version, whoever is killed meanwhile.

A real service, killed while files come and while they are added.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.attacks.killing import FEW_AND_MANY, whole
from tests.cli.gateway import Gateway, gateway
from tests.conftest import Shell

WORD = "Wandervogel"
FILES = {
    f"P{patient:03d}/{number}.txt": f"{WORD} {patient} {number}\n".encode() * 500
    for patient in range(10)
    for number in range(6)
}
BYTES = {"content-type": "application/offset+octet-stream", "tus-resumable": "1.0.0"}


def begun(client: httpx.Client) -> str:
    made = client.post("/api/1/uploads", json={"name": "wards"}).raise_for_status()
    upload: str = made.json()["upload"]
    sizes = {path: len(content) for path, content in FILES.items()}
    said = client.post(f"/api/1/uploads/{upload}/files", json={"files": sizes})
    said.raise_for_status()
    return upload


def send(client: httpx.Client, upload: str, acknowledged: dict[int, int]) -> None:
    """Goes on until all is sent; remembers what was acknowledged."""
    for index, content in enumerate(FILES.values()):
        place = f"/api/1/uploads/{upload}/files/{index}"
        at = int(client.head(place).raise_for_status().headers["upload-offset"])
        assert at >= acknowledged.get(index, 0)
        while at < len(content):
            piece = content[at : at + 4000]
            headers = {**BYTES, "upload-offset": str(at)}
            done = client.patch(place, content=piece, headers=headers).raise_for_status()
            at = acknowledged[index] = int(done.headers["upload-offset"])


def strike(up: Gateway) -> None:
    up.process.kill()
    up.process.wait()


@pytest.fixture
def up_and_killed(lab: Shell) -> Any:
    """``cloister up`` that ends as a crash would."""

    def started() -> Gateway:
        holder = gateway(lab)
        held.append(holder)
        return holder.__enter__()

    held: list[Any] = []
    yield started
    for holder in held:
        holder.__exit__(None, None, None)


@pytest.mark.parametrize("kills", FEW_AND_MANY)
def test_an_upload_goes_on_whenever_the_service_is_killed(
    lab: Shell, up_and_killed: Any, kills: int
) -> None:
    chance = random.Random(kills)
    acknowledged: dict[int, int] = {}
    upload = ""
    for _ in range(kills):
        up = up_and_killed()
        with up.client() as client:
            upload = upload or begun(client)
            killer = subprocess.Popen(
                ["sh", "-c", f"sleep {chance.uniform(0.05, 0.6)}; kill -9 {up.process.pid}"]
            )
            with contextlib.suppress(httpx.TransportError, httpx.HTTPStatusError):
                send(client, upload, acknowledged)
            killer.wait()
            up.process.wait()
        sealed(lab)
    up = up_and_killed()
    with up.client() as client:
        send(client, upload, acknowledged)
        asked = {"pattern": "^(P[0-9]+)/"}
        client.post(f"/api/1/uploads/{upload}/add", json=asked).raise_for_status()
        time.sleep(chance.uniform(0, 0.3))
    strike(up)
    sealed(lab)
    up = up_and_killed()
    with up.client() as client:
        settled(client, upload)
        versions = client.get("/api/1/data/wards/latest").raise_for_status().json()
        assert versions["newest"] == versions["version"]["number"] == 1
        assert versions["version"]["records"] == len(FILES)
    sealed(lab)
    lab("get", "wards", "-o", "back")
    for path, content in FILES.items():
        assert (lab.folder / "back" / path).read_bytes() == content
    assert whole(lab)


def settled(client: httpx.Client, upload: str) -> None:
    end = time.monotonic() + 120
    while True:
        found = client.get(f"/api/1/uploads/{upload}").raise_for_status().json()
        if found["state"] == "added":
            return
        assert time.monotonic() < end, found
        time.sleep(0.1)


def sealed(shell: Shell) -> None:
    """Nothing of it lies on a disk as it came, whoever was killed at what."""
    words = ["grep", "-rlaF", WORD, str(shell.home)]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    assert found.stdout == ""


def test_what_a_killed_service_had_staged_is_gone_with_the_next(
    lab: Shell, up_and_killed: Any
) -> None:
    shared = Path("/dev/shm")
    left = shared / "cloister-job-0-of-a-killed-one"
    if not shared.is_dir() or left.exists():
        pytest.skip("this host has no /dev/shm")
    (left / "work").mkdir(parents=True, mode=0o700)
    (left / "lock").touch(0o600)
    (left / "work/scan.txt").write_text(WORD)
    try:
        up_and_killed()
        end = time.monotonic() + 60
        while left.exists():
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        subprocess.run(["rm", "-rf", str(left)], check=True)
