"""Outlines tumours on PET: from DICOM files to a model that is served, in six kinds of step.

download >> check >> hold_out (one a patient) and train >> export >> serve >> report. Only the
first sees the scans; what the others learn from are arrays that it made, and the record knows
whose.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scans

import cloister as cl

PATIENTS = 6
HIGHEST_SUV = 100.0


@cl.task
def download(folder):
    """Every patient's PET and contour out of the lab, as arrays; no network is asked."""
    found = {one.parents[2].name: one.parents[2] for one in folder.rglob("PET/mask/*.dcm")}
    read = {name: scans.patient(place) for name, place in sorted(found.items())}
    return {"patients": list(read), "read": list(read.values())}


@cl.task
def check(found):
    """All slices in one array, if nothing is odd about them."""
    read = found["read"]
    assert len(read) == PATIENTS, f"{len(read)} patients, not {PATIENTS}"
    for one in read:
        assert one["units"] == "GML", "uptake is not in g/ml"
        assert np.isfinite(one["uptake"]).all(), "a pixel is no number"
        assert 1 < one["uptake"].max() < HIGHEST_SUV, "no SUV is that low or high"
        assert one["tumour"].any(), "a patient without a contour"
        assert 3 < one["pixel_mm"] < 6, "pixels of another scanner's size"
    assert len({one["uptake"].tobytes() for one in read}) == PATIENTS, "two are the same"
    return {
        "uptake": np.concatenate([one["uptake"] for one in read]),
        "tumour": np.concatenate([one["tumour"] for one in read]),
        "slices": [len(one["uptake"]) for one in read],
    }


@cl.task(fence="fresh", timeout=1800)
def hold_out(rows, number, plan):
    """How well a patient is outlined by what learned from all others."""
    import mlflow
    import network

    worth = network.held_out(rows, number, plan)
    with mlflow.start_run(run_name=f"without patient {number + 1}"):
        mlflow.log_params(plan)
        mlflow.log_metrics(
            {f"dice {name.replace('%', 'percent')}": v for name, v in worth.items()}
        )
    print(f"patient {number + 1}: " + ", ".join(f"{k} {v:.2f}" for k, v in worth.items()))
    return worth


@cl.task(fence="fresh", timeout=1800)
def train(rows, plan):
    """The network for use: trained on all patients."""
    import network
    from safetensors.torch import save_file

    model = network.learned(*network.by_patient(rows), plan)
    save_file(model.state_dict(), "outline.safetensors")
    return cl.File("outline.safetensors")


@cl.task(fence="fresh")
def export(weights, plan):
    """The same network as ONNX, which the lab registers and attests."""
    import network
    from safetensors.torch import load_file

    model = network.Outline(plan["width"]).eval()
    model.load_state_dict(load_file(weights))
    return cl.File(network.exported(model))


@cl.task(fence="fresh")
def serve(model, weights, rows, plan):
    """Answers with the exported bytes, as `cloister serve` will, beside the network's own."""
    import network
    import onnxruntime
    import torch
    from safetensors.torch import load_file

    own = network.Outline(plan["width"]).eval()
    own.load_state_dict(load_file(weights))
    volumes, _ = network.by_patient(rows)
    served, worst = onnxruntime.InferenceSession(str(model)), 0.0
    for volume in volumes:
        (said,) = served.run(None, {"uptake": network.seen(volume).numpy()})
        with torch.no_grad():
            same = own(network.seen(volume)).numpy()
        worst = max(worst, float(np.abs(said - same).max()))
        assert ((said > 0) == (same > 0)).mean() > 0.9999, "the exported network is another"
    return worst


@cl.task
def report(worths, worst):
    """What it is worth, beside thresholds of the highest uptake, as Markdown."""
    lines = [
        f"| outline by | Dice, mean of {len(worths)} patients [95 %] | each patient |",
        "| --- | --- | --- |",
    ]
    for name in worths[0]:
        each = [one[name] for one in worths]
        mean, low, high = scans.interval(each)
        single = ", ".join(f"{value:.2f}" for value in each)
        lines.append(f"| {name} | {mean:.2f} [{low:.2f}, {high:.2f}] | {single} |")
    lines.append("")
    for name in ("threshold", "threshold of 41 %"):
        mean, low, high = scans.interval([one["network"] - one[name] for one in worths])
        lines.append(f"Network over {name}: {mean:+.2f} [{low:+.2f}, {high:+.2f}].")
    lines += [f"Exported and own network differ by at most {worst:.0e} in a logit.", ""]
    text = "\n".join(lines)
    print(text)
    Path("results.md").write_text(text)
    return cl.File("results.md")


with cl.pipeline("chest"):
    plan = {
        "epochs": cl.param("epochs", 12, "passes over the pictures"),
        "rate": cl.param("rate", 3e-3, "how fast it learns"),
        "width": cl.param("width", 8, "channels of the first layer; a multiple of four"),
        "seed": 7,
    }
    turns = cl.param("turns", PATIENTS, "how many patients are held out, one after the other")
    rows = check(download(cl.dataset("scans")))
    weights = train(rows, plan)
    model = export(weights, plan)
    report(
        hold_out.map(rows=rows, number=list(range(turns)), plan=plan),
        serve(model, weights, rows, plan),
    )
