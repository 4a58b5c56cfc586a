"""Foretells real series with their uncertainty: DeepAR against three others, and its claims.

tables >> fit (one a plan) >> report. Only the first sees the data. Each fit is a run of its own
with its figures; the report is Markdown.
"""

from __future__ import annotations

from pathlib import Path

import claims
import numpy as np
import series

import cloister as cl
import models

LAGS = [1, 2, 3, 24, 48, 168]
NETWORK = {
    "model": "deepar",
    "hidden": 32,
    "dropout": 0.1,
    "rate": 5e-3,
    "likelihood": "student-t",
}
LOADS = NETWORK | {"context": 48, "lags": LAGS, "features": ["hour", "weekday"]}
SHORT = LOADS | {"context": 12, "lags": [1]}
RATES = NETWORK | {"context": 30, "lags": [1, 2, 3, 5, 10], "features": []}
NEW = {"learn": "others", "history": 72}
NEW_LAGS = {"context": 24, "lags": [1, 2, 3, 24], "features": ["hour"]}
PLANS = {
    "hourly": {
        "naive": {"model": "naive"},
        "arima": {"model": "arima", "order": [2, 0, 1]},
        "mlp": {"model": "mlp", "context": 72, "rate": 1e-3},
        "deepar": LOADS,
        "deepar-gaussian": LOADS | {"likelihood": "gaussian"},
        "short-told-the-hour": SHORT | {"features": ["hour"]},
        "short-told-nothing": SHORT | {"features": []},
        "new-naive": {"model": "naive"} | NEW,
        "new-arima": {"model": "arima", "order": [2, 0, 1], "refit": True} | NEW,
        "new-deepar": LOADS | NEW | NEW_LAGS,
    },
    "daily": {
        "naive": {"model": "naive"},
        "arima": {"model": "arima", "order": [1, 1, 1]},
        "mlp": {"model": "mlp", "context": 30, "rate": 1e-3},
        "deepar": RATES,
    },
    "moves": {
        "student-t": RATES,
        "gaussian": RATES | {"likelihood": "gaussian"},
        "negative-binomial": RATES | {"likelihood": "negative binomial"},
    },
}
"""By table: what is fitted, and how."""


@cl.task
def tables(folder):
    """Both tables, and one of the second: each day's move in whole hundredths of a percent."""
    made = {}
    for name, season, horizon, freq in (("hourly", 24, 24, "h"), ("daily", 1, 20, "D")):
        items, values, first = series.read(folder, name)
        assert np.isfinite(values).all(), "a value is missing"
        # The rates' days are numbered in their source: any Monday does for the first.
        start = first if freq == "h" else "2000-01-03"
        made[name] = {
            "items": items, "values": values, "start": start, "freq": freq,
            "season": season, "horizon": horizon,
        }  # fmt: skip
    steps = np.diff(np.log(made["daily"]["values"].astype(float)), axis=1)
    moves = np.rint(np.abs(steps) * 1e4).astype("float32")
    made["moves"] = made["daily"] | {"values": moves}
    return made


@cl.task(fence="fresh", timeout=1800)
def fit(tables, table, name, plan, windows, epochs):
    """Paths for the items and windows of a plan; the figures are logged, a network is kept."""
    import mlflow
    import pandas as pd

    one = tables[table]
    known = series.ends(one, windows)
    rows = list(range(len(one["items"])))
    learn, asked = rows, rows
    if plan.get("learn") == "others":  # every third item is new
        asked = rows[::3]
        learn = [row for row in rows if row not in asked]
    begin = pd.Period(one["start"], one["freq"])
    first = plan.get("history", known[-1])
    whole = plan | {
        "epochs": epochs, "freq": one["freq"], "horizon": one["horizon"],
        "season": one["season"], "seed": 7, "windows": windows,
    }  # fmt: skip
    paths = models.MODELS[plan["model"]](
        [(begin, one["values"][row, : known[0]]) for row in learn],
        [
            (begin + max(0, end - first), one["values"][row, max(0, end - first) : end])
            for row in asked
            for end in known
        ],
        whole,
    )
    paths = paths.reshape(len(asked), windows, *paths.shape[1:]).astype("float32")
    came = series.truth(one, windows, asked)
    worth = {"crps": series.crps(paths, came), "coverage_80": series.coverage(paths, came)}
    with mlflow.start_run(run_name=f"{table} {name}"):
        mlflow.log_params({key: str(value) for key, value in whole.items()})
        mlflow.log_metrics(worth)
    print(f"{table} {name}: " + ", ".join(f"{key} {value:.3f}" for key, value in worth.items()))
    kept = cl.File("model.safetensors") if plan["model"] in ("mlp", "deepar") else None
    return {"paths": paths, "came": came, "rows": asked, "model": kept}


@cl.task(fence="fresh")
def export(made, plan):
    """The network as ONNX, which the lab registers, attests and serves."""
    return cl.File(models.exported(plan, made["model"]).name)


@cl.task
def report(fits):
    """All tables and claims that the fits suffice for, as Markdown."""
    text = "\n".join(claims.pages(fits))
    print(text)
    Path("results.md").write_text(text)
    return cl.File("results.md")


with cl.pipeline("forecast"):
    windows = cl.param("windows", 7, "how many windows are foretold, end to end")
    epochs = cl.param("epochs", 10, "of fifty batches each")
    only = cl.param("only", "", "names of fits, table/name, with commas; nothing: all")
    data = tables(cl.dataset("series"))
    fits = {}
    for table, plans in PLANS.items():
        for name, plan in plans.items():
            full = f"{table}/{name}"
            if not only or full in only.split(","):
                with cl.group(f"{table}.{name}"):
                    fits[full] = fit(data, table, name, plan, windows, epochs)
    report(fits)
    if "hourly/deepar" in fits:
        export(fits["hourly/deepar"], LOADS | {"freq": "h", "horizon": 24, "epochs": epochs})
