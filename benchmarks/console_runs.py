"""Runs as the console asks for them, over HTTPS as `cloister up` serves.

    python -m benchmarks.console_runs [--quick] [--at FOLDER]

The table with 10,000 runs and 1,000,000 points: its first page, pages under filters and orders,
a page far behind. A run with 10,000 names of metrics. Then a curve that twenty pages watch: how
long after a script begins to send a point each of them holds it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clients import Client, Place
from benchmarks.line import append
from benchmarks.servers import ours
from benchmarks.shell import milliseconds

_START = 1_700_000_000_000
_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "rate")


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    runs: int
    points: int
    names: int
    asked: int
    watched: int
    watchers: int


FULL = Size(runs=10_000, points=100, names=10_000, asked=100, watched=150, watchers=20)
QUICK = Size(runs=300, points=20, names=1000, asked=10, watched=20, watchers=20)


def fill(place: Place, size: Size) -> float:
    """Runs of five metrics; how many seconds it took."""
    began = time.perf_counter()
    local = threading.local()

    def one(number: int) -> None:
        if not hasattr(local, "client"):
            local.client = Client(place)
        client: Client = local.client
        run = client.begin(run_name=f"run {number}", start_time=_START + number * 60_000)
        each = size.points // len(_METRICS)
        metrics = [
            {
                "key": key,
                "value": (number % 97) / (step + 1),
                "timestamp": _START + step,
                "step": step,
            }
            for step in range(each)
            for key in _METRICS
        ]
        params = [{"key": "rate", "value": str(number % 7)}, {"key": "depth", "value": "3"}]
        tags = [{"key": "team", "value": "ab"[number % 2]}]
        body = {"run_id": run, "metrics": metrics, "params": params, "tags": tags}
        client.post("/runs/log-batch", body)

    with ThreadPoolExecutor(16) as crowd:
        list(crowd.map(one, range(size.runs)))
    return round(time.perf_counter() - began, 1)


def table(place: Place, size: Size) -> dict[str, dict[str, float]]:
    """Pages of the table, as the page asks for them."""
    client = Client(place)

    def page(**asked: Any) -> Any:
        return json.loads(client.get("/api/1/runs", limit=50, **asked))

    shown = "metrics.loss"
    far = None
    questions: dict[str, dict[str, Any]] = {
        "first_page_ms": {"column": shown},
        "filtered_ms": {"column": shown, "filter": "metrics.loss > 0.5 AND params.rate = '3'"},
        "by_name_ms": {"filter": "attributes.run_name ILIKE '%99%'"},
        "by_metric_ms": {"column": shown, "order": "metrics.loss ASC"},
    }
    found = {
        name: milliseconds(lambda asked=asked: page(**asked), size.asked)  # type: ignore[misc]
        for name, asked in questions.items()
    }
    told = page()
    assert told["total"] >= size.runs, told["total"]
    for _ in range(size.runs // 50 - 2):
        far = told["next"]
        if far is None:
            break
        told = page(after=far)
    found["far_page_ms"] = milliseconds(lambda: page(after=far), size.asked)
    found["names_ms"] = milliseconds(
        lambda: client.get("/api/1/runs-columns", filter="val", limit=40), size.asked
    )
    return found


def many_names(place: Place, size: Size) -> dict[str, dict[str, float]]:
    """One run with thousands of metrics: its page, and a search among them."""
    client = Client(place)
    run = client.begin(run_name="many names", start_time=_START)
    for first in range(0, size.names, 1000):
        metrics = [
            {"key": f"layer/{n:05}/norm", "value": 1.0, "timestamp": _START, "step": 0}
            for n in range(first, first + 1000)
        ]
        client.post("/runs/log-batch", {"run_id": run, "metrics": metrics})
    return {
        "many_names_page_ms": milliseconds(
            lambda: client.get(f"/api/1/runs/{run}"), size.asked
        ),
        "many_names_search_ms": milliseconds(
            lambda: client.get(f"/api/1/runs/{run}/metrics", filter="0999", limit=8), size.asked
        ),
        "many_names_table_ms": milliseconds(
            lambda: client.get("/api/1/runs", limit=50, column="metrics.loss"), size.asked
        ),
    }


class Watcher(threading.Thread):
    """A page that looks at one curve: told that it changed, it asks what came since."""

    def __init__(self, place: Place, run: str) -> None:
        super().__init__(daemon=True)
        self._place, self._run = place, run
        self.seen: dict[int, float] = {}
        """Step -> when it was here."""
        self.ready = threading.Event()

    def run(self) -> None:
        """Until the stream ends."""
        asking = Client(self._place)
        stream, watched = self._place.connection(), f"/api/1/live?topics=run:{self._run}"
        stream.request("GET", watched, headers=self._place.headers)
        answer = stream.getresponse()
        assert answer.status == 200, answer.read()
        since = _START
        for line in answer:
            if line.startswith(b"event: hello"):
                self.ready.set()
            if not line.startswith(b"event: change"):
                continue
            asked = {"run": self._run, "metric": "loss", "since_ms": since}
            for curve in json.loads(asking.get("/api/1/curves", **asked))["items"]:
                now = time.perf_counter()
                for step, moment in zip(curve["steps"], curve["times_ms"], strict=True):
                    self.seen.setdefault(step, now)
                    since = max(since, moment)


def watched(place: Place, size: Size) -> dict[str, float]:
    """Milliseconds from a script's call to the point in the hands of each page."""
    script = Client(place)
    run = script.begin(run_name="watched", start_time=_START)

    def log(step: int) -> None:
        point = {
            "key": "loss",
            "value": 1 / (step + 1),
            "timestamp": _START + step,
            "step": step,
        }
        script.post("/runs/log-metric", {"run_id": run, **point})

    log(0)
    pages = [Watcher(place, run) for _ in range(size.watchers)]
    for page in pages:
        page.start()
    for page in pages:
        assert page.ready.wait(30)
    sent: dict[int, float] = {}
    for step in range(1, size.watched + 1):
        sent[step] = time.perf_counter()
        log(step)
        time.sleep(0.1)
    time.sleep(2)
    taken = sorted(
        (page.seen[step] - began) * 1000 for page in pages for step, began in sent.items()
    )
    return {
        "p50": round(statistics.median(taken), 1),
        "p95": round(taken[int(0.95 * (len(taken) - 1))], 1),
        "max": round(taken[-1], 1),
    }


def main() -> None:
    """Measures, and adds a line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--at", type=Path)
    options = parser.parse_args()
    size = QUICK if options.quick else FULL
    with ours(options.at) as server:
        measured: dict[str, Any] = {
            "runs": size.runs,
            "points": size.runs * size.points,
            "fill_s": fill(server.place, size),
        }
        measured |= table(server.place, size)
        measured |= many_names(server.place, size)
        measured["watchers"] = size.watchers
        measured["live_curve_ms"] = watched(server.place, size)
    append("console_runs", measured)


if __name__ == "__main__":
    main()
