from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloister.core.errors import BadInput, Conflict, DurabilityLost, NoSpace, Tampered
from cloister.core.events import no_rows
from cloister.core.values import Digest
from cloister.db import open_database
from cloister.ledger import MIGRATIONS, Ledger, LedgerReader
from cloister.ledger.entry import event_of
from cloister.proof.bundle import README, ModelFile, write_bundle
from cloister.proof.multiproof import prove_together
from tests.ledger.lab import verify
from tests.proof.small_erasure import SmallErasure
from tests.proof.small_lab import MODEL, SmallLab, plaintext_of
from tests.proof.verifying import SOURCE, deliver, judge, verifier


@pytest.fixture(scope="module")
def lab() -> SmallLab:
    return SmallLab()


def test_bundle_of_an_honest_lab_is_verified(tmp_path: Path, lab: SmallLab) -> None:
    verdict = deliver(tmp_path, lab).judge()
    assert verdict.verified, verdict.reason
    found = {label: text for label, text in verdict.computed if label}
    assert found["ledger"] == f"{len(lab.chosen)} of {len(lab.log.leaves)} entries proven"
    assert ("", "5 records, 5 subjects, 4 labels, each in the ledger before the run") in (
        verdict.computed
    )
    assert found["model"].startswith("model.onnx  left by this run, its file is here")


def test_without_trusted_keys_the_verdict_is_unanchored(tmp_path: Path, lab: SmallLab) -> None:
    assert judge(deliver(tmp_path, lab).folder).status == verifier.UNANCHORED


def test_keys_from_the_bundle_itself_are_not_taken_as_trusted(
    tmp_path: Path, lab: SmallLab
) -> None:
    folder = deliver(tmp_path, lab).folder
    verdict = judge(folder, folder / "lab.pub")
    assert verdict.status == verifier.USAGE
    assert "the bundle itself" in verdict.reason


@pytest.mark.parametrize("records", [0, 1, 2, 33])
def test_versions_of_any_size_are_verified(tmp_path: Path, records: int) -> None:
    small = SmallLab(records=records, noise=records % 4, labels=records != 2)
    assert deliver(tmp_path, small).judge().verified


def test_bundle_without_the_model_file_checks_the_readers_own_copy(
    tmp_path: Path, lab: SmallLab
) -> None:
    delivered = deliver(tmp_path, lab, lab.parts(models=[], environment=None))
    mine, other = tmp_path / "mine.onnx", tmp_path / "other.onnx"
    mine.write_bytes(MODEL)
    other.write_bytes(MODEL + b" ")
    assert delivered.judge().verified
    assert delivered.judge(file=str(mine)).verified
    verdict = delivered.judge(file=str(other))
    assert verdict.refused
    assert hashlib.sha256(MODEL + b" ").hexdigest() in verdict.reason
    assert delivered.judge(file=str(tmp_path / "none")).status == verifier.USAGE


def test_disclosed_record_and_label_open_their_commitments(
    tmp_path: Path, lab: SmallLab
) -> None:
    record, label = (
        next(name for name in lab.openings if name.startswith(kind))
        for kind in ("rec_", "lbl_")
    )
    parts = lab.parts()
    shown = [lab.disclose(record, plaintext_of(0)), lab.disclose(label)]
    parts = replace(parts, disclosures=[*parts.disclosures, *shown])
    verdict = deliver(tmp_path, lab, parts).judge()
    assert verdict.verified
    assert ("disclosed", "2 commitments opened, 1 content as committed to") in (
        verdict.computed
    )


def test_taint_is_shown_as_a_warning(tmp_path: Path) -> None:
    lab = SmallLab()
    lab.taint()
    verdict = deliver(tmp_path, lab).judge()
    assert verdict.verified
    assert len(verdict.warnings) == 1
    assert verdict.warnings[0].startswith("tainted: ")


def test_erasure_is_verified(tmp_path: Path) -> None:
    lab = SmallLab()
    verdict = deliver(tmp_path, lab, SmallErasure(lab).parts()).judge()
    assert verdict.verified, verdict.reason
    attested = dict(verdict.attested)
    assert attested["keys"] == "2 destroyed, 440 kept, epoch 3 became 4"
    assert attested["level"].startswith("L1: ")


def test_bundle_from_the_real_ledger_is_verified(tmp_path: Path, lab: SmallLab) -> None:
    events = [event_of(leaf) for leaf in lab.log.leaves]
    kinds = {event.type: no_rows for event in events}
    key = lab.log_signer
    ledger = Ledger(key.public_key.name, key, kinds, verify)
    reader = LedgerReader(key.public_key, verify)
    database = open_database("sqlite::memory:", MIGRATIONS, before_commit=ledger.seal)
    try:
        database.write(lambda tx: ledger.append(tx, events))
        with database.read() as tx:
            head = reader.head(tx)
            parts = lab.parts(
                checkpoint=head.note,
                leaves=[reader.leaf(tx, index) for index in lab.chosen],
                proof=prove_together(
                    lab.chosen, head.size, lambda index: reader.inclusion(tx, index, head.size)
                ),
            )
            assert deliver(tmp_path, lab, parts).judge().verified
    finally:
        database.close()


def test_many_records_need_few_hashes() -> None:
    lab = SmallLab(records=500, labels=False)
    assert len(lab.parts().proof.hashes) < 20


def test_model_with_a_name_that_is_not_plain_lies_under_its_digest(tmp_path: Path) -> None:
    digest = hashlib.sha256(MODEL).hexdigest()
    odd = Digest("../Müller, Eva.onnx", digest)
    lab = SmallLab(restate=lambda closure: replace(closure, model=odd))
    delivered = deliver(tmp_path, lab, lab.parts(models=[ModelFile(odd, [MODEL])]))
    assert (delivered.folder / "models" / digest).read_bytes() == MODEL
    assert delivered.judge().verified


def test_readme_is_the_text_the_verifier_knows() -> None:
    assert hashlib.sha256(README.encode()).hexdigest() == verifier.README_SHA256


def test_existing_folder_is_never_replaced(tmp_path: Path, lab: SmallLab) -> None:
    (tmp_path / "bundle").mkdir()
    with pytest.raises(Conflict):
        write_bundle(tmp_path / "bundle", lab.parts())
    assert os.listdir(tmp_path) == ["bundle"]


def test_failure_on_the_way_leaves_nothing(tmp_path: Path, lab: SmallLab) -> None:
    def damaged() -> Iterator[bytes]:
        yield MODEL[:4]
        raise Tampered("frame 1 fails authentication")

    with pytest.raises(Tampered):
        write_bundle(
            tmp_path / "bundle", lab.parts(models=[ModelFile(lab.closure.model, damaged())])
        )
    assert os.listdir(tmp_path) == []


def test_model_that_is_not_the_stated_one_is_not_bundled(tmp_path: Path, lab: SmallLab) -> None:
    with pytest.raises(BadInput, match=r"model\.onnx"):
        write_bundle(
            tmp_path / "bundle", lab.parts(models=[ModelFile(lab.closure.model, [b"other"])])
        )
    assert os.listdir(tmp_path) == []


def test_missing_leaf_is_noticed_while_writing(tmp_path: Path, lab: SmallLab) -> None:
    with pytest.raises(BadInput, match="entries was given"):
        write_bundle(tmp_path / "bundle", lab.parts(leaves=lab.log.leaves[:2]))
    assert os.listdir(tmp_path) == []


def test_missing_parent_is_a_users_mistake(tmp_path: Path, lab: SmallLab) -> None:
    with pytest.raises(BadInput):
        write_bundle(tmp_path / "none" / "bundle", lab.parts())


@pytest.mark.parametrize(
    ("number", "error"), [("ENOSPC", NoSpace), ("EIO", DurabilityLost)], ids=["full", "broken"]
)
def test_failing_disk_leaves_nothing(
    tmp_path: Path,
    lab: SmallLab,
    monkeypatch: pytest.MonkeyPatch,
    number: str,
    error: type[Exception],
) -> None:
    import errno

    def fail(descriptor: int) -> None:
        raise OSError(getattr(errno, number), "no")

    monkeypatch.setattr("cloister.proof.folder.os.fsync", fail)
    with pytest.raises(error):
        write_bundle(tmp_path / "bundle", lab.parts())
    assert os.listdir(tmp_path) == []


def test_verifier_runs_alone_as_a_program(tmp_path: Path, lab: SmallLab) -> None:
    delivered = deliver(tmp_path, lab)
    program = [sys.executable, "-I", str(SOURCE), str(delivered.folder)]
    trusting = [*program, "--trust", str(delivered.trust)]

    def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(arguments, capture_output=True, text=True, check=False)

    done = run(trusting)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("VERIFIED\n")
    assert run(program).returncode == verifier.UNANCHORED
    assert run([*program, "--trust", str(tmp_path / "none")]).returncode == verifier.USAGE
    assert run(program[:-1]).returncode == verifier.USAGE
    value = json.loads(run([*trusting, "--json"]).stdout)
    assert value["verdict"] == "VERIFIED"
    assert set(value) == {"verdict", "reason", "computed", "attested", "warnings"}
    (delivered.folder / "models" / "model.onnx").write_bytes(MODEL[:-1] + b"B")
    refused = run(trusting)
    assert refused.returncode == verifier.REFUSED
    assert refused.stdout.startswith("REFUSED: models/model.onnx is not the file")
