"""A command that prints whose data it reads leaves a finding, as typed."""

from __future__ import annotations

import json

from tests.conftest import Shell


def test_a_run_that_prints_ids_says_so_and_the_patients_trace_names_it(scans: Shell) -> None:
    said = (
        "from pathlib import Path; print(sorted(p.name for p in Path('scans').iterdir())[:2])"
    )
    silent = scans("run", "--", "echo", "hello 0.123456", "scans")
    assert "it printed" not in silent.stderr
    done = scans("run", "--", "python3", "-c", said, "scans")
    assert "it printed the ids of 2 patients" in done.stderr
    run = scans.json("ls", "--runs")[-1]["run"]
    trace = scans.json("trace", "-", typed="P001\n")
    assert trace["named"] == [{"run": run, "place": "output"}]
    assert scans.json("trace", "-", typed="P002\n")["named"] == []
    assert scans.json("audit")["whole"]


def test_an_erased_patient_is_named_by_pseudonym_only(scans: Shell) -> None:
    scans("run", "--", "sh", "-c", "ls scans", "scans")
    subject = scans.json("subject", "pseudonym", "-", typed="P000\n")["subject"]
    scans("erase", "-", "--reason", "withdrawn", "--yes", typed="P000\n")
    assert [one["place"] for one in scans.json("trace", subject)["named"]] == ["output"]
    done = scans("--json", "run", "--", "sh", "-c", "(echo P000; ls scans) >&2", "scans")
    assert len(json.loads(done.stdout)["identified"]) == 3
    assert scans.json("audit")["whole"]
