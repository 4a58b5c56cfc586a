"""The page of figures: the newest line of each benchmark, as it was measured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

_CASE = ("what", "case", "data", "records", "subjects", "files")
_ABOUT = {
    *_CASE,
    "benchmark",
    "time",
    "commit",
    "machine",
    "python",
    "load",
    "load_before",
    "nice",
}
_HEAD = """# Figures

The newest line of each case of each benchmark, written by `make docs` from
`benchmarks/results/`, where the raw samples are. What was wanted stands beside what was
measured, reached or not. The machine has two shared cores: trust ratios more than seconds.

How pipelines grow, from 100 to 100,000 steps ([pipelines](#pipelines)):

![Seconds and memory by number of steps](growth.svg)
"""


def render_figures(results: Path) -> str:
    """The whole page: a section for each file of ``results``."""
    parts = [_HEAD]
    for file in sorted(results.glob("*.jsonl")):
        lines = map(json.loads, file.read_text().splitlines())
        newest = {_case(part): part for line in lines for part in _parts(line)}
        parts += [f"\n## {file.stem}\n\n", "| case | measured | when |\n|---|---|---|\n"]
        parts += [_row(case, line) for case, line in newest.items()]
    return "".join(parts)


def _parts(line: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """A line that holds several measurements, or one for several sizes, as one line each."""
    sizes = line.get("records")
    if isinstance(sizes, list):
        for place, size in enumerate(sizes):
            yield {name: _at(place, value) for name, value in line.items()} | {"records": size}
        return
    parts = {
        name: value
        for name, value in line.items()
        if isinstance(value, dict) and "raw" in value and name != "raw"
    }
    about = {name: value for name, value in line.items() if name not in parts}
    for name, value in parts.items():
        yield {**about, **value, "what": name}
    if not parts:
        yield line


def _at(place: int, value: object) -> object:
    """The figures for one size, where ``value`` groups lists of them."""
    if not isinstance(value, dict) or not all(isinstance(v, list) for v in value.values()):
        return value
    return {name: figures[place] for name, figures in value.items()}


def _case(line: Mapping[str, object]) -> str:
    """What a line is about."""
    found = [(name, line[name]) for name in _CASE if isinstance(line.get(name), str | int)]
    return ", ".join(v if isinstance(v, str) else f"{v:,} {name}" for name, v in found)


def _row(case: str, line: Mapping[str, object]) -> str:
    figures = {name: value for name, value in line.items() if name not in _ABOUT}
    measured = "; ".join(_numbers(figures))
    where = str(line.get("machine", "")).partition(", Linux")[0]
    when = f"{str(line.get('time', ''))[:10]}, {str(line.get('commit', ''))[:7]}, {where}"
    return f"| {case or '-'} | {measured} | {when} |\n"


def _numbers(figures: Mapping[str, object]) -> Iterator[str]:
    """Plain numbers, and small groups of them; raw samples stay in their file."""
    for name, value in figures.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{name} {value:,}"
        elif name == "wanted" and isinstance(value, str):
            yield f"{name} {value}"
        elif isinstance(value, dict):
            inner = ", ".join(_numbers(value))
            if inner and not any(isinstance(v, list | dict) for v in value.values()):
                yield f"{name} ({inner})"
