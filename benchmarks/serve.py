"""What HTTPS, the checks and the record add to a prediction.

    python -m benchmarks.serve [--quick] [--at FOLDER]

In turns, in one run: onnxruntime alone; one append and fdatasync alone; a prediction over HTTPS
keep-alive from another process, whose recorder does that same append and fdatasync. Wanted at
p50: one fdatasync + 2 ms over onnxruntime. Then with the real database and ledger, after 10^3,
10^4 and 10^5 predictions; then with many clients at once, which share commits.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing as mp
import os
import secrets
import ssl
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from benchmarks.line import append
from cloister import ledger, models, serving
from cloister.core.events import Event
from cloister.core.signing import PublicKey
from cloister.db import open_database
from cloister.keys.signing import verify
from cloister.serving.session import runtime
from cloister.testing import onnx_models
from cloister.testing.inference import TOKEN, self_signed, tokens, verified

FEATURES = [59.0, 2.0, 32.1, 101.0, 157.0, 93.2, 38.0, 4.0, 4.8598, 87.0]
ROW = np.array([FEATURES], np.float32)
CONTENT = onnx_models.linear([0.5] * len(FEATURES))
MODEL_SHA256 = verified(CONTENT).sha256
QUESTION = json.dumps(
    {
        "inputs": [
            {"name": "X", "shape": [1, len(FEATURES)], "datatype": "FP32", "data": FEATURES}
        ]
    }
).encode()
HEADERS = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
RECORD = secrets.token_bytes(512)


class FileRecorder:
    """One append and one fdatasync for each prediction."""

    def __init__(self, folder: str) -> None:
        self._file = os.open(f"{folder}/record", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()
        self._index = 0

    def __call__(self, facts: serving.PredictionFacts, /) -> int:
        """The number of predictions before this one."""
        assert facts.question.commitment()
        assert facts.answer.commitment()
        with self._lock:
            durable(self._file)
            self._index += 1
            return self._index - 1


class _Key:
    """An Ed25519 key in this process."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._key = Ed25519PrivateKey.generate()
        self.public_key = PublicKey("lab/log", self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature."""
        return self._key.sign(message)


class LedgerRecorder:
    """The product's own way: row, leaf and signed head in one group commit."""

    def __init__(self, folder: str, before: int) -> None:
        key = _Key()
        self._ledger = ledger.Ledger(
            "lab/log", key, {**ledger.PROJECTIONS, **models.PROJECTIONS}, verify
        )
        migrations = [*ledger.MIGRATIONS, *models.MIGRATIONS]
        self._database = open_database(
            f"sqlite:{folder}/lab.db", migrations, before_commit=self._ledger.seal
        )
        for start in range(0, before, 5000):
            count = min(5000, before - start)
            self._write([self._event("0" * 64, "1" * 64) for _ in range(count)])

    def __call__(self, facts: serving.PredictionFacts, /) -> int:
        """The ledger index."""
        return self._write(
            [self._event(facts.question.commitment(), facts.answer.commitment())]
        )

    def _write(self, events: Sequence[Event]) -> int:
        return self._database.write(lambda tx: self._ledger.append(tx, events))[0].index

    @staticmethod
    def _event(question: str, answer: str) -> Event:
        body = {
            "deployment": "dep_aaaaaaaaaaaaaaaa",
            "input": question,
            "opening": "A" * 220,
            "output": answer,
            "sha256": MODEL_SHA256,
            "subject": None,
        }
        time_ = "2026-01-01T00:00:00.000000Z"
        return Event("prediction.made", time_, "per_aaaaaaaaaaaaaaaa", "allowed", body)


def _serve(pipe: Connection, folder: str, before: int | None) -> None:
    """A server in a process of its own; ends when the other end of ``pipe`` does."""
    recorder = FileRecorder(folder) if before is None else LedgerRecorder(folder, before)
    model = serving.LoadedModel.load(verified(CONTENT), serving.Served("risk", "1"))
    limits = serving.Limits(per_second=1e9)
    app = serving.build_app(model, recorder, tokens(), limits=limits)
    identity = self_signed()
    server = serving.HttpsServer(app, serving.Address(), identity)

    def until_told() -> None:
        with suppress(EOFError):
            pipe.recv()
        server.stop()

    threading.Thread(target=until_told).start()
    server.run(lambda port: pipe.send((port, identity.certificate_pem.decode())))


@contextmanager
def served(at: Path, before: int | None) -> Iterator[Callable[[], Callable[[], bytes]]]:
    """Gives a function that opens a connection and gives a function that predicts once."""
    ours, theirs = mp.get_context("spawn").Pipe()
    with tempfile.TemporaryDirectory(dir=at) as folder:
        process = mp.get_context("spawn").Process(target=_serve, args=(theirs, folder, before))
        process.start()
        theirs.close()
        port, authority = ours.recv()
        tls = ssl.create_default_context(cadata=authority)

        def connected() -> Callable[[], bytes]:
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=tls)

            def predict() -> bytes:
                connection.request("POST", "/v2/models/risk/infer", QUESTION, HEADERS)
                response = connection.getresponse()
                body = response.read()
                assert response.status == 200, body
                return body

            return predict

        try:
            yield connected
        finally:
            ours.send(None)
            process.join()


def timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def spread(samples: Sequence[float]) -> dict[str, float]:
    """p50 and p99, ms."""
    ordered = sorted(samples)
    return {
        "p50": round(statistics.median(ordered), 3),
        "p99": round(ordered[int(len(ordered) * 0.99)], 3),
    }


def durable(file: int) -> None:
    """What the smallest recorder does."""
    os.write(file, RECORD)
    os.fdatasync(file)


def one_by_one(at: Path, rounds: int) -> dict[str, object]:
    """onnxruntime, fdatasync and HTTPS in turns."""
    alone = runtime().InferenceSession(CONTENT, providers=["CPUExecutionProvider"])
    sides: dict[str, list[float]] = {"onnxruntime": [], "fdatasync": [], "https": []}
    with served(at, None) as connected, tempfile.TemporaryFile(dir=at) as file:
        predict = connected()

        for _ in range(50):
            predict()
        for _ in range(rounds):
            sides["onnxruntime"].append(timed(lambda: alone.run(None, {"X": ROW})))
            sides["fdatasync"].append(timed(lambda: durable(file.fileno())))
            sides["https"].append(timed(predict))
    figures = {name: spread(samples) for name, samples in sides.items()}
    added = figures["https"]["p50"] - figures["onnxruntime"]["p50"]
    samples_ms = {name: [round(s, 3) for s in kept] for name, kept in sides.items()}
    return {
        **figures,
        "added_ms_p50": round(added, 3),
        "added_beyond_one_fdatasync_ms_p50": round(added - figures["fdatasync"]["p50"], 3),
        "wanted_ms": 2.0,
        "samples_ms": samples_ms,
    }


def in_turns(at: Path, predict: Callable[[], bytes], rounds: int) -> dict[str, object]:
    """A prediction on record in a full ledger, beside what the disk does at that moment."""
    os.sync()  # what filled the ledger must not be written meanwhile
    predict()
    disk, https = [], []
    with tempfile.TemporaryFile(dir=at) as file:
        for _ in range(rounds):
            disk.append(timed(lambda: durable(file.fileno())))
            https.append(timed(predict))
    return {"https": spread(https), "fdatasync": spread(disk)}


def many(connected: Callable[[], Callable[[], bytes]], clients: int, each: int) -> float:
    """Predictions a second with that many clients at once."""
    ready = [connected() for _ in range(clients)]

    def client(predict: Callable[[], bytes]) -> None:
        for _ in range(each):
            predict()

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda predict: predict(), ready))
        seconds = timed(lambda: list(pool.map(client, ready))) / 1e3
    return round(clients * each / seconds, 1)


def main() -> None:
    """Measures and adds one line to the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--at", type=Path, default=Path.cwd(), help="a folder on the disk")
    options = parser.parse_args()
    rounds = 100 if options.quick else 1000
    load = round(os.getloadavg()[0], 2)
    measured: dict[str, object] = {"rounds": rounds, "load_before": load, "nice": os.nice(0)}
    measured |= one_by_one(options.at, rounds)
    growth, together = {}, {}
    for before in (1000, 10_000, 100_000)[: 2 if options.quick else 3]:
        with served(options.at, before) as connected:
            growth[before] = in_turns(options.at, connected(), rounds // 2)
            if before == 1000:
                for clients in (1, 4, 16, 64):
                    together[clients] = many(connected, clients, max(4, rounds // clients))
    measured["with_ledger_ms_after_predictions"] = growth
    measured["with_ledger_per_second_by_clients"] = together
    append("serve", measured)


if __name__ == "__main__":
    main()
