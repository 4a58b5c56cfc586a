"""Trains the network on four patients and tries it on two: what a sweep runs, by the arguments.

An ordinary script. It logs the Dice of the two as it goes, and leaves the network as ONNX.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import mlflow
import network
import numpy as np
import scans

TRIED_ON = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()

    folders = sorted(one.parents[2] for one in options.data.rglob("PET/mask/*.dcm"))
    read = [scans.patient(one) for one in folders]
    volumes, tumours = ([one[name] for one in read] for name in ("uptake", "tumour"))

    def tried(model: network.Outline) -> float:
        pairs = zip(volumes[-TRIED_ON:], tumours[-TRIED_ON:], strict=True)
        return float(np.mean([scans.dice(network.outlined(model, v), t > 0) for v, t in pairs]))

    plan = {name: getattr(options, name) for name in ("epochs", "rate", "width", "seed")}
    with mlflow.start_run(run_name="outline"):
        mlflow.log_params(plan)
        model = network.learned(
            volumes[:-TRIED_ON],
            tumours[:-TRIED_ON],
            plan,
            lambda epoch, now: mlflow.log_metric("dice", tried(now), step=epoch),
        )
    network.exported(model)
    print(f"{len(read)} patients, {TRIED_ON} held out: Dice {tried(model):.3f}")


if __name__ == "__main__":
    main()
