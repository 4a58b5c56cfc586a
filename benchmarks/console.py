"""The console's first page: how much comes over the wire, and when it can be used.

    python -m benchmarks.console [--quick] [--at FOLDER]

Bytes are those of every file that the overview needs, packed as they are sent. The time is
from the navigation to a page whose heading stands and whose data are there, in a fresh browser
on loopback over TLS. Wanted: less than 100 KB of scripts, styles and page; less than 1 s.
"""

from __future__ import annotations

import argparse
import gzip
import re
import statistics
import time

from playwright.sync_api import Browser, sync_playwright
from tests.cli.gateway import gateway
from tests.conftest import ROOT, new_shell
from tests.console.site import CHROMIUM, FLAGS, Member, Seen, Site, opened, settled

from benchmarks.line import append

DIST = ROOT / "src/cloister/web/console/dist"


def first_page(browser: Browser, site: Site, admin: Member) -> tuple[float, list[str]]:
    """Milliseconds until it can be used, and the files that it asked for."""
    page = opened(browser, site, admin, Seen())
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url.removeprefix(site.url)))
    began = time.perf_counter()
    page.goto("/", wait_until="commit")
    page.locator("h1").wait_for()
    settled(page)
    took_ms = (time.perf_counter() - began) * 1000
    page.context.close()
    return took_ms, asked


def packed_bytes(asked: list[str]) -> int:
    """Of the files of the console among them, and of the page itself."""
    names = {one.removeprefix("/console/") for one in asked if one.startswith("/console/")}
    sizes = [len(gzip.compress((DIST / one).read_bytes(), 9)) for one in names]
    return sum(sizes) + len(gzip.compress((DIST / "index.html").read_bytes(), 9))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--at")
    options = parser.parse_args()
    rounds = 5 if options.quick else 20
    with new_shell() as shell:
        shell("init")
        with gateway(shell) as up, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
            site = Site(shell, up)
            path = re.sub(r"^https://[^/]+", "", up.said["join"])
            admin = site.join("admin", path)
            first_page(browser, site, admin)
            ran = [first_page(browser, site, admin) for _ in range(rounds)]
            browser.close()
    times = [one[0] for one in ran]
    append(
        "console",
        {
            "case": "first page",
            "gzip_bytes": packed_bytes(ran[0][1]),
            "wanted_bytes": 100_000,
            "interactive_ms": round(statistics.median(times)),
            "wanted_ms": 1000,
            "raw": [round(one) for one in times],
        },
    )


if __name__ == "__main__":
    main()
