"""The sheets of paper that bring the keys back together: one page for each share.

Format: docs/formats/recovery-shares.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape

from cloister.core.errors import BadInput
from cloister.keys.values import ShareSet

_SCHEME = re.compile(r"(\d{1,2})\s*(?:of|/)\s*(\d{1,2})")
_META = re.compile(r'<meta name="cloister-share" content="([a-z ]+)">')
_LONGEST = 64 << 10


@dataclass(frozen=True, slots=True)
class ShareKit:
    """Shown once: every sheet for another hand."""

    lab: str
    shares: ShareSet
    words: tuple[str, ...] = field(repr=False)
    created: str
    public_keys: str = ""
    """``lab.pub`` as it was made: what a replaced one is compared with."""

    def text(self) -> str:
        """All sheets, one after the other."""
        sheets = range(1, self.shares.count + 1)
        keys = "".join(f"{line}\n" for line in self.public_keys.splitlines())
        trust = f"\nThe lab's public keys, as lab.pub must hold them:\n{keys}" if keys else ""
        return "\n".join(self.sheet(number) for number in sheets) + trust

    def sheet(self, number: int) -> str:
        """One sheet, to write down or print."""
        words = self._numbered(number)
        columns = [words[at : at + 8] for at in range(0, len(words), 8)]
        rows = []
        for line in range(8):
            cells = [column[line] for column in columns if line < len(column)]
            rows.append("  " + "  ".join(f"{at:>2} {word:<10}" for at, word in cells).rstrip())
        return (
            f"Cloister recovery share {number} of {self.shares.count}\n"
            f"lab      {self.lab}\n"
            f"set      {self.shares.name}; any {self.shares.threshold} of its sheets will do\n"
            f"created  {self.created}\n"
            "\n" + "\n".join(rows) + "\n"
        )

    def page(self, number: int) -> str:
        """The same as an HTML page that needs nothing else, to print on one side."""
        words = "".join(f"<li>{escape(word)}</li>" for _, word in self._numbered(number))
        facts = {
            "Lab": self.lab,
            "Set": self.shares.name,
            "Sheet": f"{number} of {self.shares.count}",
            "Needed": f"any {self.shares.threshold} sheets of this set",
            "Made": self.created[:10],
        }
        rows = "".join(
            f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items()
        )
        keys = "".join(f"<li>{escape(key)}</li>" for key in self.public_keys.splitlines())
        return _PAGE.format(
            title=f"Recovery share {number} of {self.shares.count}",
            words_plain=escape(self.words[number - 1]),
            words=words,
            facts=rows,
            threshold=self.shares.threshold,
            others=self.shares.threshold - 1,
            keys=f"<h2>The lab's public keys, as lab.pub must hold them</h2><ul>{keys}</ul>"
            if keys
            else "",
            style=_STYLE,
        )

    def _numbered(self, number: int) -> list[tuple[int, str]]:
        return list(enumerate(self.words[number - 1].split(), 1))


def parse_scheme(text: str) -> tuple[int, int]:
    """``3of5`` as (needed, made); raises BadInput. Which can be is for the key service."""
    found = _SCHEME.fullmatch(text.strip().lower())
    if found is None:
        raise BadInput("shares look like 3of5: any 3 of 5 sheets open the keys")
    return int(found[1]), int(found[2])


def read_sheet(text: str) -> str:
    """The words of a share: typed, or in a file, or in a saved page of `ShareKit.page`."""
    if len(text) > _LONGEST:
        raise BadInput("this is no share: it is far too long")
    found = _META.search(text)
    return found[1] if found else text


_STYLE = """
@page { size: A4; margin: 16mm 18mm; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 174mm; color: #1b2430; background: #fff;
  font: 11pt/1.4 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header { display: flex; justify-content: space-between; align-items: baseline;
  border-bottom: 2pt solid #0b6e75; padding: 6mm 0 2mm; }
h1 { font-size: 19pt; margin: 0; }
header span { color: #5b6674; }
dl { display: grid; grid-template-columns: 22mm 1fr 22mm 1fr; gap: 1mm 4mm; margin: 5mm 0; }
dt { color: #5b6674; } dd { margin: 0; overflow-wrap: anywhere; }
.holder { display: flex; gap: 8mm; margin: 6mm 0; }
.holder span { flex: 1; border-bottom: 0.5pt solid #5b6674; padding-bottom: 6mm;
  color: #5b6674; }
ol { columns: 3; column-gap: 8mm; list-style: none; counter-reset: word; padding: 5mm 6mm;
  margin: 0; border: 0.75pt solid #9aa6b4; border-radius: 3mm; }
ol li { counter-increment: word; break-inside: avoid;
  font: 13.5pt/1.85 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
ol li::before { content: counter(word); display: inline-block; width: 9mm; color: #5b6674;
  font-size: 9.5pt; }
h2 { font-size: 12pt; margin: 6mm 0 1.5mm; }
p, ul { margin: 0 0 2mm; } ul { padding-left: 5mm; }
code, ul li { font: 9pt/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  overflow-wrap: anywhere; }
.rules li { font: inherit; }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="cloister-share" content="{words_plain}">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1><span>Cloister</span></header>
<dl>{facts}</dl>
<div class="holder"><span>Held by</span><span>Place</span><span>Date, signature</span></div>
<ol>{words}</ol>
<h2>What this is</h2>
<p>Any {threshold} sheets of this set, together with the lab's keys folder, open all patient
data of the lab when its passphrase is lost. This sheet with {others} others of the set must
never lie in one place; alone it tells nothing.</p>
<h2>What to do</h2>
<ul class="rules">
<li>Keep it on paper, locked away, apart from the machine and from the other sheets. Delete the
file it was printed from. Do not photograph, scan or mail it.</li>
<li>If it is lost or seen by others, tell whoever runs the lab: they make a new set with
<code>cloister keys shares</code>, and this one is void.</li>
<li>When asked to help recover the lab: compare the set above with the one that is asked for,
then type the words yourself, in order, at <code>cloister unlock --recovery</code>.</li>
</ul>
{keys}
</body>
</html>
"""
