"""How recovery shares are shown: once, or as pages in a folder."""

from __future__ import annotations

from pathlib import Path

from cloister.cli.output import Output
from cloister.core.words import count
from cloister.keys.sheets import ShareKit


def show_sheets(output: Output, kit: ShareKit, folder: Path | None) -> None:
    """Where the sheets are, or the sheets themselves."""
    shares = kit.shares
    output.line(
        f"set {shares.name}: any {shares.threshold} of {shares.count} sheets open the keys"
    )
    if folder is not None:
        output.line(f"{count(shares.count, 'page')} in {folder}: print each, then delete them")
    else:
        output.line()
        output.line(kit.text())
    output.line(
        "Give each sheet to another person or place. Sheets and codes of before are void."
    )


def sheets_value(kit: ShareKit, folder: Path | None) -> dict[str, object]:
    """The same for programs; words only where they were not written to files."""
    return {
        "set": kit.shares.name,
        "threshold": kit.shares.threshold,
        "count": kit.shares.count,
        "folder": None if folder is None else str(folder),
        "shares": list(kit.words) if folder is None else None,
    }
