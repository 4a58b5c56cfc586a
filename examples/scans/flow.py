"""Which machine took a picture, told from its pixels: from scans to a model, in four steps.

check >> table >> train >> report. Only the first two see the scans; what `train` learns from
is an array that they made, and the record knows whose scans are in it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import cloister as cl

SIDE = 16


@cl.task
def check(scans):
    """The pictures, by patient and kind; fails where a patient has no second kind."""
    found = sorted(str(p.relative_to(scans)) for p in scans.rglob("image/*.dcm"))
    kinds = {}
    for name in found:
        patient, kind = Path(name).parts[:2]
        kinds.setdefault(patient, set()).add(kind)
    assert kinds, "no scans"
    assert all(len(one) > 1 for one in kinds.values()), "a patient with one kind of scan"
    return found


@cl.task
def table(scans, names, every):
    """A row of numbers for every so many pictures: thumbnails, kinds, patients."""
    import pydicom

    rows, kinds, patients = [], [], []
    for name in names[::every]:
        patient, kind = Path(name).parts[:2]
        pixels = pydicom.dcmread(scans / name).pixel_array.astype("float32")
        rows.append(thumbnail(pixels))
        kinds.append(kind)
        patients.append(patient)
    return {"x": np.stack(rows), "kind": kinds, "patient": patients}


def thumbnail(pixels):
    """16 x 16 means, from 0 to 1."""
    down = np.array_split(pixels, SIDE, axis=0)
    cells = [[cell.mean() for cell in np.array_split(row, SIDE, axis=1)] for row in down]
    small = np.asarray(cells, dtype="float32").ravel()
    spread = float(small.max() - small.min()) or 1.0
    return (small - small.min()) / spread


@cl.task(fence="fresh", timeout=600)
def train(rows, strength):
    """A linear model; every third patient is held out."""
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    people = sorted(set(rows["patient"]))
    held_out = np.isin(rows["patient"], people[::3])
    kind = np.asarray(rows["kind"])
    model = LogisticRegression(C=strength, max_iter=2000)
    model.fit(rows["x"][~held_out], kind[~held_out])
    right = float((model.predict(rows["x"][held_out]) == kind[held_out]).mean())
    usual = max(float((kind[held_out] == one).mean()) for one in set(kind))
    options = {id(model): {"zipmap": False}}
    Path("model.onnx").write_bytes(
        to_onnx(model, rows["x"][:1], options=options).SerializeToString()
    )
    return {"model": cl.File("model.onnx"), "right": right, "guessing": usual}


@cl.task
def report(made):
    """What it is worth, beside guessing the most frequent kind."""
    print(f"right {made['right']:.2f}, guessing {made['guessing']:.2f}")
    return {"right": made["right"], "guessing": made["guessing"]}


with cl.pipeline("scans"):
    scans = cl.dataset("scans")
    rows = table(scans, check(scans), cl.param("every", 4, "take each so-manieth picture"))
    report(train(rows, cl.param("strength", 1.0, "C of the logistic regression")))
