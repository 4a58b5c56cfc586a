"""The chain as one HTML page that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from cloister.proof.chain import Chain, Item, Stage

_STYLE = """
:root { color-scheme: light dark; --ink: #1b2430; --soft: #5b6674; --line: #d9dee5;
  --paper: #fbfbfa; --card: #ffffff; --accent: #0b6e75; --warn: #a04000; --gone: #8a1c2f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7ebf0; --soft: #9aa6b4;
  --line: #303a46; --paper: #12171d; --card: #1a2129; --accent: #58c4c9; --warn: #f0a35e;
  --gone: #f08a9b; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 16px; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 20px; margin: 0 0 36px; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
section { position: relative; padding: 0 0 28px 34px; }
section::before { content: ""; position: absolute; left: 8px; top: 14px; bottom: -14px;
  width: 2px; background: var(--line); }
section:last-of-type::before { display: none; }
section::after { content: ""; position: absolute; left: 2px; top: 5px; width: 14px;
  height: 14px; border-radius: 50%; background: var(--paper); border: 3px solid var(--accent); }
h2 { font-size: 16px; margin: 0 0 8px; }
h2 small { font-weight: normal; color: var(--soft); margin-left: 8px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  overflow-x: auto; }
table { width: 100%; table-layout: fixed; border-collapse: collapse;
  font-variant-numeric: tabular-nums; }
th:first-child { width: 240px; } th.from { width: 196px; }
th, td { text-align: left; vertical-align: top; padding: 7px 14px; }
th { color: var(--soft); font-weight: normal; font-size: 13px; white-space: nowrap; }
td { border-top: 1px solid var(--line); overflow-wrap: anywhere; font-size: 14px; }
td.name { white-space: nowrap; }
code, td.name, td.from { font: 13px/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas,
  monospace; }
a { color: var(--accent); text-decoration: none; }
a:hover, a:focus { text-decoration: underline; }
td.from a { display: block; white-space: nowrap; }
tr:target td { background: color-mix(in srgb, var(--accent) 16%, transparent); }
.mark { display: inline-block; margin-left: 8px; padding: 0 7px; border-radius: 9px;
  border: 1px solid currentColor; font: 12px/17px system-ui, sans-serif; }
.erased { color: var(--gone); } .tainted, .unreleased { color: var(--warn); }
p { color: var(--soft); margin: 8px 14px; }
@media (max-width: 960px) {
  main { padding: 24px 16px 40px; } section { padding-left: 28px; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 8px; }
  thead { display: none; } table, tbody, tr, td { display: block; }
  tr { padding: 8px 0; } tr + tr { border-top: 1px solid var(--line); }
  td { border: 0; padding: 2px 14px; display: grid; grid-template-columns: 92px 1fr;
    gap: 0 12px; }
  td::before { content: attr(data-of); color: var(--soft);
    font: 13px/1.6 system-ui, sans-serif; }
  td.name { white-space: normal; } td.from a { grid-column: 2; white-space: normal; }
}
@media print { body { background: #fff; } .card { overflow: visible; } }
"""
_FROM = "made from"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render_chain(chain: Chain) -> str:
    """A self-contained page, UTF-8: opens from a disk or a mail, prints, reads on a phone."""
    anchors = _anchors(chain)
    body = "".join(_section(stage, anchors) for stage in chain.stages)
    facts = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in chain.facts)
    title = escape(chain.title)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{title}</h1>\n<dl>{facts}</dl>\n{body}</main>\n</body>\n</html>\n"
    )


def _anchors(chain: Chain) -> Mapping[str, str]:
    """Item name -> fragment; plain numbers, for a name may hold anything."""
    names = [item.name for stage in chain.stages for item in stage.items]
    return {name: f"n{number}" for number, name in enumerate(names)}


def _section(stage: Stage, anchors: Mapping[str, str]) -> str:
    title, total = escape(stage.title), len(stage.items) + stage.more
    traced = any(item.origins for item in stage.items)
    columns = ["name", *stage.columns, *([_FROM] if traced else [])]
    head = "".join(_heading(column) for column in columns)
    rows = "".join(_row(item, columns, anchors, traced=traced) for item in stage.items)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    more = f"<p>and {stage.more:,} more</p>" if stage.more else ""
    card = table + more if stage.items else "<p>none</p>"
    heading = f"<h2>{title}<small>{total:,}</small></h2>"
    return f'<section>{heading}<div class="card">{card}</div></section>\n'


def _heading(column: str) -> str:
    kind = ' class="from"' if column == _FROM else ""
    return f'<th scope="col"{kind}>{escape(column)}</th>'


def _row(item: Item, columns: list[str], anchors: Mapping[str, str], *, traced: bool) -> str:
    mark = f'<span class="mark {item.mark}">{item.mark}</span>' if item.mark else ""
    cells = [("name", f"<span>{escape(item.name)}{mark}</span>")]
    cells += [("", escape(cell)) for cell in item.cells]
    if traced:
        cells.append(("from", "".join(_links(item, anchors))))
    made = zip(columns, cells, strict=True)
    row = "".join(
        f'<td class="{kind}" data-of="{escape(column)}">{html}</td>'
        for column, (kind, html) in made
    )
    return f'<tr id="{anchors[item.name]}">{row}</tr>'


def _links(item: Item, anchors: Mapping[str, str]) -> Iterator[str]:
    for origin in item.origins:
        target = anchors.get(origin)
        shown = escape(origin)
        yield f'<a href="#{target}">{shown}</a>' if target else f"<span>{shown} </span>"
