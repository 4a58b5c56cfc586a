"""What the fits say: who is better than whom, and the four claims of DeepAR, as Markdown.

Salinas, Flunkert, Gasthaus, Januschowski: DeepAR, International Journal of Forecasting 36
(2020), section 1: seasonality is learned; samples give consistent quantiles of all sub-ranges;
items with little or no history can be foretold; many likelihoods can be had.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import series

Fits = Mapping[str, Mapping[str, Any]]
TITLES = {
    "hourly": "Loads and oil temperature, a day ahead, by the hour",
    "daily": "Exchange rates, twenty days ahead",
}


def pages(fits: Fits) -> Iterator[str]:
    """One line after the other."""
    for table, title in TITLES.items():
        named = [f"{table}/{name}" for name in ("naive", "arima", "mlp", "deepar")]
        yield from _table(title, fits, [name for name in named if name in fits])
    for claim in (seasonality, sub_ranges, little_history, likelihoods):
        yield from claim(fits)


def seasonality(fits: Fits) -> Iterator[str]:
    """Told the hour, no lag of a day and half a day to look at, it has the day's course."""
    names = ["hourly/short-told-nothing", "hourly/short-told-the-hour"]
    if set(names) <= set(fits):
        yield from _table("Claim 1: seasonality is learned", fits, names)
        for name in names:
            paths, came = fits[name]["paths"], fits[name]["came"]
            right = series.profile(paths.mean(2)).ravel(), series.profile(came).ravel()
            yield f"- {name}: the day's course, r = {np.corrcoef(*right)[0, 1]:.2f}"
        yield ""


def sub_ranges(fits: Fits) -> Iterator[str]:
    """Totals of six hours: quantiles of the paths' totals, and of steps drawn one by one."""
    names = [name for name in ("hourly/mlp", "hourly/deepar") if name in fits]
    if "hourly/deepar" not in names:
        return
    yield from _head("Claim 2: one set of paths gives the quantiles of all sub-ranges")
    yield "| totals of | CRPS | 80 % covers | paths torn apart: CRPS | covers |"
    yield "| --- | --- | --- | --- | --- |"
    for name in names:
        paths, came = fits[name]["paths"], fits[name]["came"]
        for parts in (4, 1):
            total = came.reshape(*came.shape[:2], parts, -1).sum(-1)
            cells = [
                f"{score(series.sums(one, parts), total):{form}}"
                for one in (paths, series.apart(paths))
                for score, form in ((series.crps, ".4f"), (series.coverage, ".2f"))
            ]
            yield f"| {name}, {24 // parts} hours | " + " | ".join(cells) + " |"
    yield ""


def little_history(fits: Fits) -> Iterator[str]:
    """Items that nobody learned from, with three days of history."""
    named = [f"hourly/new-{name}" for name in ("naive", "arima", "deepar")]
    if set(named) <= set(fits):
        yield from _table("Claim 3: items with three days of history", fits, named)


def likelihoods(fits: Fits) -> Iterator[str]:
    """Student-t, Gaussian, negative binomial: on loads, and on counts."""
    named = ["hourly/deepar", "hourly/deepar-gaussian"]
    if set(named) <= set(fits):
        yield from _table("Claim 4: other likelihoods, loads", fits, named)
    named = [f"moves/{name}" for name in ("gaussian", "student-t", "negative-binomial")]
    if set(named) <= set(fits):
        yield from _table("Claim 4: other likelihoods, counts", fits, named)


def _head(title: str) -> Iterator[str]:
    yield f"**{title}**"
    yield ""


def _table(title: str, fits: Fits, names: list[str]) -> Iterator[str]:
    """Each beside the first: less than 1 is better than it."""
    if not names:
        return
    first, came = fits[names[0]]["paths"], fits[names[0]]["came"]
    yield from _head(f"{title} ({len(came)} items, {came.shape[1]} windows)")
    yield "| model | CRPS | against the first [95 %] | 80 % covers |"
    yield "| --- | --- | --- | --- |"
    for name in names:
        paths = fits[name]["paths"]
        against, low, high = series.ratio(paths, first, came)
        beside = "1" if name == names[0] else f"{against:.2f} [{low:.2f}, {high:.2f}]"
        own = series.crps(paths, came), series.coverage(paths, came)
        yield f"| {name} | {own[0]:.4f} | {beside} | {own[1]:.2f} |"
    yield ""
