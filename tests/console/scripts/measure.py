"""Learns how bright a slide is from how wide and how tall its spot is; tracks a curve."""

import argparse
import json
import time
import urllib.request
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

parser = argparse.ArgumentParser()
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--rate", type=float, default=0.2)
parser.add_argument("--pause", type=float, default=0.0, help="seconds between steps")
asked = parser.parse_args()
STEPS = 80


def track(path: str, **fields: object) -> dict[str, dict[str, dict[str, str]]]:
    """Asks the lab's tracking, as any client in any language may."""
    where = f"http://127.0.0.1:5000/api/2.0/mlflow/{path}"
    kind = {"content-type": "application/json"}
    request = urllib.request.Request(where, json.dumps(fields).encode(), kind)
    with urllib.request.urlopen(request) as answer:
        return dict(json.loads(answer.read() or b"{}"))


slides = [np.asarray(Image.open(path)) / 255 for path in sorted(asked.data.rglob("*.png"))]
x = np.array([((s > 0.6).any(0).mean(), (s > 0.6).any(1).mean()) for s in slides], np.float32)
y = np.array([s.mean() for s in slides], np.float32)
weights, bias = np.zeros(2, np.float32), np.float32(0)
named = {"run_name": f"measure, rate {asked.rate}", "start_time": int(time.time() * 1000)}
run = track("runs/create", experiment_id="0", **named)["run"]["info"]["run_id"]
track("runs/log-parameter", run_id=run, key="rate", value=str(asked.rate))
for step in range(STEPS):
    error = x @ weights + bias - y
    weights -= np.float32(asked.rate) * (x.T @ error / len(y))
    bias -= np.float32(asked.rate) * error.mean()
    loss = {"value": float((error**2).mean()), "timestamp": int(time.time() * 1000)}
    track("runs/log-metric", run_id=run, key="loss", step=step, **loss)
    print(f"step {step}: loss {loss['value']:.5f}", flush=True)
    time.sleep(asked.pause)
track("runs/update", run_id=run, status="FINISHED", end_time=int(time.time() * 1000))

given = helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 2])
told = helper.make_tensor_value_info("brightness", TensorProto.FLOAT, [None, 1])
learned = (
    numpy_helper.from_array(weights.reshape(2, 1), "weights"),
    numpy_helper.from_array(bias.reshape(1), "bias"),
)
node = helper.make_node("Gemm", ["input", "weights", "bias"], ["brightness"])
graph = helper.make_graph([node], "measure", [given], [told], learned)
made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
Path("out").mkdir(exist_ok=True)
Path("out/model.onnx").write_bytes(made.SerializeToString())
Path("out/metrics.json").write_text(json.dumps({"slides": len(y)}))
