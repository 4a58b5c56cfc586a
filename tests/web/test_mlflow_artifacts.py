"""Files through the real server: by MLflow's own client, and by clients that misbehave."""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import requests

from cloister.web.limits import Limits
from tests.attacks.killing import wait_until
from tests.tracking.sealing import SealingLab, sealing_lab
from tests.tracking.server import TOKEN, serving

pytestmark = pytest.mark.filterwarnings("ignore")  # of what MLflow imports
_ALL = "/api/2.0/mlflow-artifacts/artifacts"
_HEADERS = {"authorization": f"Bearer {TOKEN}"}
_TIGHT = Limits(artifact_bytes=8 << 20, body_timeout_s=1.0, slowest_bytes_s=1 << 16, streams=2)


@pytest.fixture(scope="module")
def lab() -> Iterator[SealingLab]:
    with sealing_lab() as made:
        yield made


@pytest.fixture(scope="module")
def url(lab: SealingLab) -> Iterator[str]:
    with serving(lab) as address:
        yield address


@pytest.fixture(scope="module")
def tight(lab: SealingLab) -> Iterator[str]:
    with serving(lab, limits=_TIGHT) as address:
        yield address


@pytest.fixture
def mlflow(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    import mlflow

    mlflow.set_tracking_uri(url)
    yield mlflow
    mlflow.set_tracking_uri(None)


@pytest.fixture
def root(lab: SealingLab) -> str:
    return f"{_ALL}/{lab.run(lab.visit())}"


def test_the_client_logs_lists_and_loads_files(mlflow: Any, tmp_path: Path) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    (tmp_path / "in/a.txt").write_text("å")
    (tmp_path / "in/deep/big.bin").write_bytes(os.urandom(3_000_001))
    with mlflow.start_run(experiment_id="0") as run:
        mlflow.log_artifact(str(tmp_path / "in/a.txt"))
        mlflow.log_artifacts(str(tmp_path / "in"), "folder")
        mlflow.log_text("text", "notes/a b.txt")
        mlflow.log_dict({"a": 1}, "d.json")
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    there = get_artifact_repository(run.info.artifact_uri)
    top = [(one.path, one.is_dir) for one in there.list_artifacts()]
    assert top == [("a.txt", False), ("d.json", False), ("folder", True), ("notes", True)]
    assert [one.path for one in there.list_artifacts("folder")] == [
        "folder/a.txt",
        "folder/deep",
    ]
    assert there.list_artifacts("a.txt") == []
    down = Path(there.download_artifacts("", str(tmp_path)))
    assert (down / "notes/a b.txt").read_text() == "text"
    big = (down / "folder/deep/big.bin").read_bytes()
    assert big == (tmp_path / "in/deep/big.bin").read_bytes()
    there.delete_artifacts("folder")
    assert len(there.list_artifacts()) == 3


@pytest.fixture
def in_parts(mlflow: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client that sends all but small files in parts."""
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1000000")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(1 << 20))
    return mlflow


@pytest.mark.parametrize("size", [1_000_000, 5 << 20, (5 << 20) + 1])
def test_a_client_sends_parts(
    lab: SealingLab, in_parts: Any, tmp_path: Path, size: int
) -> None:
    (tmp_path / "f").write_bytes(os.urandom(size))
    with in_parts.start_run(experiment_id="0") as run:
        before = lab.stored()
        in_parts.log_artifact(str(tmp_path / "f"), "some/where")
    assert lab.stored() == before + 1
    assert lab.rows("track_upload") == 0
    found = in_parts.artifacts.download_artifacts(f"runs:/{run.info.run_id}/some/where/f")
    assert Path(found).read_bytes() == (tmp_path / "f").read_bytes()


def test_a_client_whose_part_fails_leaves_nothing(
    lab: SealingLab, in_parts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.artifact import http_artifact_repo as sending

    def failing(credential: Any, **_: Any) -> None:
        if credential.part_number == 3:
            raise OSError("the disk cannot be read")
        requests.put(credential.url, b"x" * 1000, headers=credential.headers, timeout=30)

    monkeypatch.setattr(sending.HttpArtifactRepository, "_upload_part", failing)
    (tmp_path / "f").write_bytes(b"y" * (4 << 20))
    with in_parts.start_run(experiment_id="0"):
        before = lab.stored()
        with pytest.raises(in_parts.exceptions.MlflowException):
            in_parts.log_artifact(str(tmp_path / "f"))
    assert (lab.stored(), lab.rows("track_upload")) == (before, 0)


def test_files_of_a_run_are_listed_as_mlflow_lists_them(url: str, root: str) -> None:
    run = root.split("/")[-2]
    with httpx.Client(base_url=url, headers=_HEADERS, trust_env=False, timeout=60) as client:
        assert client.put(f"{root}/a/b", content=b"xyz").json() == {}
        asked = {"run_id": run, "path": "a"}
        told = client.get("/api/2.0/mlflow/artifacts/list", params=asked).json()
        assert told["files"] == [{"path": "a/b", "is_dir": False, "file_size": 3}]
        assert told["root_uri"].endswith(f"/{run}/artifacts")
        there = client.get(f"{root}/a/b")
        assert (there.content, there.headers["content-length"]) == (b"xyz", "3")
        assert there.headers["x-content-type-options"] == "nosniff"
        assert there.headers["content-disposition"] == "attachment"


def test_strangers_and_odd_paths_get_nothing(lab: SealingLab, url: str, root: str) -> None:
    before = lab.stored()
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        for method in ("GET", "PUT", "DELETE"):
            assert client.request(method, f"{root}/a", content=b"x").status_code == 401
        client.headers = httpx.Headers(_HEADERS)
        for odd in ("%2e%2e/%2e%2e/a", "a%2f..%2f..%2fb", "a%5c..%5cb", "a//b", "a%00b", "."):
            for method in ("GET", "PUT", "DELETE"):
                request = httpx.Request(
                    method, f"{url}{root}/{odd}", headers=_HEADERS, content=b"x"
                )
                raw = f"{root}/{odd}".encode()
                request.url = request.url.copy_with(raw_path=raw)
                told = client.send(request)
                assert (told.status_code, set(told.json())) == (400, {"error_code", "message"})
        assert client.get(f"{root}/missing").json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
        assert client.get(_ALL, params={"path": "../x"}).status_code == 400
        assert client.get(_ALL).status_code == 400
    assert lab.stored() == before


def _socket(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=60)


def _head(path: str, more: str) -> bytes:
    lines = (f"PUT {path} HTTP/1.1", "host: a", f"authorization: Bearer {TOKEN}", more, "", "")
    return "\r\n".join(lines).encode()


def test_half_an_upload_leaves_nothing(lab: SealingLab, url: str, root: str) -> None:
    before = lab.stored()
    for sent in (1000, 5 << 20):
        with _socket(url) as connection:
            connection.sendall(_head(f"{root}/half", f"content-length: {sent + 1}"))
            connection.sendall(b"x" * sent)
    with _socket(url) as connection:
        connection.sendall(_head(f"{root}/half", "transfer-encoding: chunked"))
        connection.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
    with httpx.Client(base_url=url, headers=_HEADERS, trust_env=False, timeout=60) as client:
        time.sleep(0.5)
        assert client.get(f"{root}/half").status_code == 404
        assert client.put(f"{root}/half", content=b"whole").status_code == 200
        assert client.get(f"{root}/half").content == b"whole"
    assert lab.stored() == before + 1


def test_a_file_without_a_length_is_taken_as_it_comes(url: str, root: str) -> None:
    content = [os.urandom(70_000) for _ in range(40)]
    with httpx.Client(base_url=url, headers=_HEADERS, trust_env=False, timeout=60) as client:
        assert client.put(f"{root}/chunked", content=iter(content)).status_code == 200
        assert client.get(f"{root}/chunked").content == b"".join(content)


def test_a_file_beyond_the_bound_is_refused(lab: SealingLab, tight: str, root: str) -> None:
    before = lab.stored()
    with _socket(tight) as connection:
        connection.sendall(_head(f"{root}/f", f"content-length: {9 << 20}"))
        assert b" 413 " in connection.recv(4096)
    with httpx.Client(base_url=tight, headers=_HEADERS, trust_env=False, timeout=60) as client:
        endless = (b"x" * (1 << 20) for _ in range(9))
        with contextlib.suppress(httpx.WriteError):  # it may be told while it still sends
            assert client.put(f"{root}/f", content=endless).status_code == 413
        assert client.get(f"{root}/f").status_code == 404
    assert lab.stored() == before


def test_a_slow_client_is_dropped_and_holds_nobody_up(
    lab: SealingLab, tight: str, root: str
) -> None:
    with _socket(tight) as silent, _socket(tight) as trickling:
        silent.sendall(_head(f"{root}/silent", "content-length: 1000") + b"x")
        trickling.sendall(_head(f"{root}/slow", f"content-length: {1 << 20}"))
        with httpx.Client(
            base_url=tight, headers=_HEADERS, trust_env=False, timeout=60
        ) as client:
            # Until both are under way, and there is room for no third.
            wait_until(lambda: client.put(f"{root}/early", content=b"x").status_code == 429)
            before = lab.stored()
            began = time.monotonic()
            try:
                while time.monotonic() - began < 15:
                    trickling.sendall(b"x")
                    time.sleep(0.1)
                pytest.fail("it could trickle for ever")
            except OSError:
                pass
            assert b" 408 " in silent.recv(4096)
            assert client.put(f"{root}/third", content=b"x").status_code == 200
            assert client.get(f"{root}/slow").status_code == 404
    assert lab.stored() == before + 1


def test_a_reader_that_leaves_is_noticed(lab: SealingLab, url: str, root: str) -> None:
    with httpx.Client(base_url=url, headers=_HEADERS, trust_env=False, timeout=60) as client:
        client.put(f"{root}/f", content=b"x" * (60 << 20))
        with client.stream("GET", f"{root}/f") as answer:
            next(answer.iter_raw())

    def given() -> int | None:
        with lab.database.read() as tx:
            ((found,),) = tx.query("SELECT bytes FROM read ORDER BY begun DESC LIMIT 1")
        return None if found is None else int(found)

    wait_until(lambda: given() is not None)
    assert 0 < (given() or 0) < 60 << 20


def test_damage_on_the_disk_ends_the_answer_and_is_no_file(
    lab: SealingLab, url: str, root: str
) -> None:
    with httpx.Client(base_url=url, headers=_HEADERS, trust_env=False, timeout=60) as client:
        client.put(f"{root}/f", content=os.urandom(5 << 20))
        newest = max(
            (path for path in (lab.folder / "store").rglob("*") if path.is_file()),
            key=lambda path: (path.stat().st_size > 5 << 20, path.stat().st_mtime_ns),
        )
        os.chmod(newest, 0o600)
        with newest.open("r+b") as stream:
            stream.seek(2 << 20)
            stream.write(b"damage")
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"{root}/f")
        assert client.get("/health").text == "OK"


@pytest.mark.slow
def test_two_gibibytes_pass_in_bounded_memory(url: str, root: str) -> None:
    block, blocks = os.urandom(1 << 20), 2048
    digest = hashlib.sha256()

    def sent() -> Iterator[bytes]:
        for number in range(blocks):
            piece = number.to_bytes(8, "big") + block[8:]
            digest.update(piece)
            yield piece

    with httpx.Client(base_url=url, headers=_HEADERS, trust_env=False, timeout=300) as client:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert client.put(f"{root}/large", content=sent()).status_code == 200
        back = hashlib.sha256()
        with client.stream("GET", f"{root}/large") as answer:
            for piece in answer.iter_raw():
                back.update(piece)
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert back.digest() == digest.digest()
    assert grown_kib < 100 << 10  # of server and client together
