"""A record given its patient by hand dies with the patient, under every key it ever had."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloister.core.errors import Erased
from cloister.core.ids import SubjectId
from cloister.keys import launch
from cloister.keys.values import GrantRequest
from tests.conftest import Shell


def test_erasing_the_patient_erases_what_was_assigned_and_the_key_it_was_under(
    lab: Shell,
) -> None:
    scans = lab.folder / "scans"
    for path in ("P001/1.txt", "P002/1.txt", "inbox/1.txt"):
        (scans / path).parent.mkdir(parents=True, exist_ok=True)
        (scans / path).write_text(f"a scan from {path}\n")
    lab("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
    [aside] = lab.json("ls", "data1", "--quarantine")
    provisional = aside["subject"]
    lab("assign", "data1", "--record", aside["record"], "--subject", "-", typed="P001\n")
    second = copied_key_store(lab)
    assert opened(lab, second) > 0
    done = lab.json("erase", "-", "--reason", "withdrawn", "--yes", typed="P001\n")
    assert done["records"] == 2
    assert "E400" in lab("get", aside["record"], status=5).stderr
    assert lab.json("trace", done["subject"])["erased"] is not None
    # The ledger keeps the wrap under the provisional key for ever: that key must be gone, too.
    [socket] = (lab.home / "run/cloister").glob("*/keyd.sock")
    with launch.connect(socket) as keyd:
        for name in (provisional, done["subject"]):
            with pytest.raises(Erased):
                keyd.grants([GrantRequest(SubjectId(name))])
    assert opened(lab, second) == 0


def copied_key_store(lab: Shell) -> Path:
    """A key store of before the erasure."""
    second = lab.folder.parent / "second"
    lab("keys", "copy", str(second))
    lab("keys", "copy", "--suspend")
    return second / "keystore.db"


def opened(lab: Shell, keystore: Path) -> int:
    found: int = lab.json("readback", "--keystore", str(keystore))["opened"]
    return found
