"""What the services hold while nobody asks them anything.

    python -m benchmarks.memory [--quick] [--at FOLDER]

The key service and `cloister serve` with a small model, a second after a prediction. Resident
memory counts what they share twice, proportional memory once. Wanted: all together, resident,
below 200 MB.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import time
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.clients import Place
from benchmarks.line import append
from benchmarks.shell import Shell, answered, memory_mb, new_lab
from cloister.testing import onnx_models

FEATURES = 10
QUESTION = json.dumps(
    {
        "inputs": [
            {"name": "X", "shape": [1, FEATURES], "datatype": "FP32", "data": [1.0] * FEATURES}
        ]
    }
)


def trained(shell: Shell) -> None:
    """A run that left a model."""
    (shell.work / "given.onnx").write_bytes(onnx_models.linear([0.5] * FEATURES))
    shell("run", "--", "cp", "given.onnx", "model.onnx")


def predict(serving: dict[str, str]) -> None:
    """One prediction over HTTPS."""
    place = Place(serving["infer"], Path(serving["token_file"]).read_text(), serving["ca_file"])
    connection = place.connection()
    connection.request("POST", urlsplit(place.url).path, QUESTION, place.headers)
    response = connection.getresponse()
    assert response.status == 200, response.read()
    response.read()
    connection.close()


def idle(at: Path | None) -> dict[str, dict[str, float]]:
    """Megabytes of each service, after it has worked."""
    with new_lab(at) as shell:
        trained(shell)
        server = shell.start("--json", "serve", "last")
        try:
            predict(answered(server))
            time.sleep(1)
            services = {"keyd": shell.key_service(), "serve": server.pid}
            return {name: memory_mb(pid) for name, pid in services.items()}
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate()


def main() -> None:
    """Measures and adds one line to the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--at", type=Path, help="a folder on the disk to measure")
    options = parser.parse_args()
    rounds = [idle(options.at) for _ in range(1 if options.quick else 3)]
    totals = {
        kind: statistics.median(sum(one[kind] for one in each.values()) for each in rounds)
        for kind in ("rss", "pss")
    }
    measured = {
        "all_rss_mb": round(totals["rss"], 1),
        "all_pss_mb": round(totals["pss"], 1),
        "wanted_mb": 200,
        "raw": {"services_mb": rounds},
    }
    append("memory", measured)


if __name__ == "__main__":
    main()
