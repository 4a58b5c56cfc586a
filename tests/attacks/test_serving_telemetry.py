"""Claim: the inference runtime reports to nobody.

Official ONNX Runtime builds for Linux switch their maker's telemetry on by default: it keeps a
device id and a queue of events in the user's cache, and uploads them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

PROGRAM = textwrap.dedent("""
    import time
    from cloister import serving
    from cloister.testing import onnx_models
    from cloister.testing.inference import verified
    model = serving.LoadedModel.load(verified(onnx_models.linear()), serving.Served("m", "1"))
    time.sleep(1)
""")


def test_loading_a_model_leaves_no_trace_of_telemetry(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", PROGRAM], env=environment | home, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
