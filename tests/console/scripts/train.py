"""Learns a number from a table; logs a curve; leaves a model, a plot and some text."""

import argparse
import csv
import json
import math
from pathlib import Path

import mlflow
import numpy as np
from PIL import Image, ImageDraw
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import SGDRegressor

parser = argparse.ArgumentParser()
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--rate", type=float, default=0.01)
parser.add_argument("--steps", type=int, default=120)
asked = parser.parse_args()

table = next(asked.data.rglob("*.csv"))
rows = list(csv.DictReader(table.open(newline="")))
x = np.array([[float(row[key]) for key in ("age", "dose")] for row in rows], dtype=np.float32)
y = np.array([float(row["stay"]) for row in rows], dtype=np.float32)
mean, spread = x.mean(0), x.std(0)
model = SGDRegressor(learning_rate="constant", eta0=asked.rate, random_state=3)
losses = []
with mlflow.start_run(run_name=f"rate {asked.rate}"):
    mlflow.log_params({"rate": asked.rate, "steps": asked.steps, "features": "age,dose"})
    for step in range(asked.steps):
        model.partial_fit((x - mean) / spread, y)
        loss = float(np.mean((model.predict((x - mean) / spread) - y) ** 2))
        losses.append(loss)
        mlflow.log_metrics({"loss": loss, "log loss": math.log(loss + 1e-9)}, step=step)
        if step % 20 == 0:
            print(f"step {step}: loss {loss:.4f}", flush=True)
    mlflow.set_tag("team", "ward 3")

Path("out").mkdir(exist_ok=True)
shape = [("input", FloatTensorType([None, 2]))]
Path("out/model.onnx").write_bytes(
    convert_sklearn(model, initial_types=shape).SerializeToString()
)
Path("out/metrics.json").write_text(json.dumps({"loss": losses[-1], "steps": asked.steps}))
Path("out/notes.txt").write_text("Fitted on standardised age and dose.\n")
Path("out/errors.csv").write_text(
    "step,loss\n" + "".join(f"{i},{v}\n" for i, v in enumerate(losses))
)
plot = Image.new("RGB", (320, 180), "white")
points = [
    (8 + 304 * i / len(losses), 170 - 150 * v / max(losses)) for i, v in enumerate(losses)
]
ImageDraw.Draw(plot).line(points, fill=(11, 98, 105), width=2)
plot.save("out/loss.png")
print("done", flush=True)
