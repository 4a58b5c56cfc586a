"""The findings as one page of HTML: pictures and plots inside, no script, nothing loaded."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from cloister.checks.findings import Finding, Severity
from cloister.checks.material import Material, is_missing, number
from cloister.checks.plots import bars, histogram
from cloister.checks.values import Column, columns

_RECORDS_SHOWN = 500
_MOST_BARS = 14
_VALUES = frozenset(("D501", "D502", "D503"))


@dataclass(frozen=True, slots=True)
class Shown:
    """A record's small picture."""

    record: str
    png: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that a report shows."""

    version: str
    root: str
    time: str
    """Of the version."""
    findings: Sequence[Finding]
    material: Material = field(repr=False)
    shown: Sequence[Shown] = ()


def page(content: Page) -> bytes:
    """The report, UTF-8; names records by their random ids, never by path or patient."""
    pictures = {one.record: one.png for one in content.shown}
    held = {column.name: column for column in columns(content.material)}
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        '<meta name=viewport content="width=device-width">',
        f"<title>Checks of {escape(content.version)}</title><style>{_STYLE}</style>",
        f"<header><h1>{escape(content.version)}</h1><p>{_summary(content)}</p></header><main>",
        *(_finding(one, pictures, held) for one in content.findings),
        "" if content.findings else "<p class=good>Nothing was found.</p>",
        *_overview(content.material),
        "</main><footer>"
        f"<p>root <code>{escape(content.root)}</code></p>"
        "<p>Confidential: this page shows patient data. It is kept sealed in the lab; the first"
        " erasure of a patient it names destroys its key there. What each code means:"
        " docs/reference/findings.md.</p></footer></html>",
    ]
    return "\n".join(part for part in parts if part).encode("utf-8", "backslashreplace")


def _summary(content: Page) -> str:
    counts = Counter(one.severity for one in content.findings)
    badges = [
        f"<b class={severity.word}>{_number(counts[severity], severity.word)}</b>"
        for severity in sorted(Severity, reverse=True)
    ]
    matter = content.material
    records = sum(one.kind != "layout" for one in matter.records)
    patients = len({matter.patient(one.subject) for one in matter.records if one.subject})
    held = f"{_number(records, 'record')}, {_number(patients, 'patient')}"
    return " ".join(badges) + f" <span>{held}, added {escape(content.time)}</span>"


def _finding(one: Finding, pictures: Mapping[str, bytes], held: Mapping[str, Column]) -> str:
    where = f" <span class=where>{escape(one.where)}</span>" if one.where else ""
    return "\n".join(
        (
            f"<section class={one.severity.word}>",
            f"<h2><b>{one.code}</b> {escape(one.kind.title)}{where}<i>{one.count:,}</i></h2>",
            f"<p>{escape(one.detail)}</p>" if one.detail else "",
            f"<p class=next>{escape(one.kind.advice)}</p>",
            _plot(one, held),
            _pictures(one, pictures),
            _records(one.records),
            "</section>",
        )
    )


def _plot(one: Finding, held: Mapping[str, Column]) -> str:
    column = held.get(one.where)
    if one.code not in _VALUES or column is None:
        return ""
    found, numbers, marked = set(one.records), [], []
    for record, text in zip(column.records, column.texts, strict=True):
        if (value := number(text)) is not None:
            numbers.append(value)
            marked.append(record in found)
    return f"<figure>{histogram(numbers, marked)}</figure>" if numbers else ""


def _pictures(one: Finding, pictures: Mapping[str, bytes]) -> str:
    shown = [record for record in one.records if record in pictures]
    return "".join(
        f'<img alt="{escape(record)}" title="{escape(record)}"'
        f' src="data:image/png;base64,{base64.b64encode(pictures[record]).decode()}">'
        for record in shown
    )


def _records(records: Sequence[str]) -> str:
    if not records:
        return ""
    shown = " ".join(f"<code>{escape(record)}</code>" for record in records[:_RECORDS_SHOWN])
    more = len(records) - _RECORDS_SHOWN
    rest = f" and {more:,} more: cloister check --json" if more > 0 else ""
    return (
        f"<details><summary>{_number(len(records), 'record')}</summary>{shown}{rest}</details>"
    )


def _overview(matter: Material) -> Iterator[str]:
    """What the version holds, as far as it forms groups."""
    for title, counts in _groups(matter):
        most = counts.most_common(_MOST_BARS)
        if len(counts) > 1:
            drawn = f"<figure>{bars(most)}</figure>"
            yield f"<section class=plain><h2>{escape(title)}</h2>{drawn}</section>"


def _groups(matter: Material) -> Iterator[tuple[str, Counter[str]]]:
    for schema, values in matter.schemas.items():
        held = Counter(value for value in values.values() if not is_missing(value))
        if len(held) <= 2 * _MOST_BARS:
            yield f"label {schema}", held
    for fact in ("Modality", "site", "device", "sex", "format"):
        yield fact, Counter(r.facts[fact] for r in matter.records if r.facts.get(fact))


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun if count == 1 else noun + 's'}"


_STYLE = """
:root{color-scheme:light dark;--ink:#1c2329;--dim:#5c6770;--paper:#fbfbf9;--card:#fff;
--line:#dfe3e6;--error:#b3261e;--warning:#8a5a00;--note:#2c5f8a;--bar:#7d98ad;--good:#27693d}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8eb;--dim:#9aa5ae;--paper:#14181b;
--card:#1c2226;--line:#323a40;--error:#ff8a80;--warning:#f0b95a;--note:#86bdf0;--bar:#5b7891;
--good:#7fce98}}
*{box-sizing:border-box}body,html{margin:0}html{background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,sans-serif}header,main,footer{max-width:60rem;margin:0 auto;
padding:1.2rem 1.2rem 0}h1{margin:0;font-size:1.6rem}header p{margin:.4rem 0 0}
header b{margin-right:.6rem}header span,footer{color:var(--dim)}
section{background:var(--card);border:1px solid var(--line);border-left:4px solid var(--line);
border-radius:4px;padding:.8rem 1rem;margin:0 0 .9rem}
section.error{border-left-color:var(--error)}section.warning{border-left-color:var(--warning)}
section.note{border-left-color:var(--note)}
b.error,.error h2 b{color:var(--error)}b.warning,.warning h2 b{color:var(--warning)}
b.note,.note h2 b{color:var(--note)}
h2{font-size:1rem;margin:0;display:flex;gap:.6rem;align-items:baseline;flex-wrap:wrap}
h2 i{margin-left:auto;font-style:normal;font-variant-numeric:tabular-nums}
.where{color:var(--dim);font-weight:400}section p{margin:.3rem 0 0}.next{color:var(--dim)}
figure{margin:.7rem 0 .2rem;overflow-x:auto}svg{max-width:100%;height:auto}
svg text{fill:var(--dim);font:12px system-ui,sans-serif}svg .name{text-anchor:end}
.bar{fill:var(--bar)}.bad{fill:var(--error)}
img{width:96px;height:96px;object-fit:contain;background:#000;margin:.5rem .4rem 0 0;
border-radius:2px}
details{margin-top:.5rem}summary{cursor:pointer;color:var(--dim)}
code{font:12px ui-monospace,monospace;overflow-wrap:anywhere}.good{color:var(--good)}
footer{padding-bottom:2rem;font-size:.85rem}
"""
