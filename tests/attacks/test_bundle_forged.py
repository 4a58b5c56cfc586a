"""Claim: a bundle is VERIFIED only if trusted keys signed it and all its parts tell one story.

Here the attacker writes bundles: with keys of their own, with one of the lab's keys stolen, or
as a lab that contradicts itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloister.core.canonical import canonical
from cloister.core.values import Closure, Digest, FenceLevel
from cloister.ledger.checkpoint import sign_head
from cloister.proof.dsse import sign_envelope
from cloister.proof.multiproof import prove_together
from cloister.proof.statement import sign_statement
from cloister.proof.trust import LabKeys
from tests.ledger import slow_tree
from tests.ledger.lab import LogKey
from tests.proof.small_erasure import SmallErasure, certificate
from tests.proof.small_lab import SmallLab
from tests.proof.verifying import Delivered, deliver, judge, verifier

ZEROS = "0" * 64


@pytest.fixture
def lab() -> SmallLab:
    return SmallLab()


def refusal(delivered: Delivered, **options: str) -> str:
    verdict = delivered.judge(**options)
    assert verdict.refused, f"{verdict.status}: {verdict.reason}"
    return verdict.reason


# Keys


def test_forged_bundle_with_its_own_keys_is_refused(tmp_path: Path, lab: SmallLab) -> None:
    forger = SmallLab(seed=2)
    trust = lab.trust(tmp_path)
    folder = deliver(tmp_path, forger).folder
    trust.write_text(lab.keys.text())
    assert judge(folder, trust).refused
    assert judge(folder).status == verifier.UNANCHORED


def test_statement_signed_with_the_log_key_is_refused(tmp_path: Path, lab: SmallLab) -> None:
    lab.signed = sign_statement(lab.closure, lab.log_signer)
    assert "statement.dsse.json: not signed by" in refusal(deliver(tmp_path, lab))


def test_log_key_under_the_name_of_the_statement_key_is_refused(
    tmp_path: Path, lab: SmallLab
) -> None:
    liar = LogKey(name=lab.statement_signer.public_key.name)
    forged = json.loads(sign_envelope(lab.signed.statement.payload, liar))
    forged["signatures"][0]["keyid"] = verifier.parse_key(lab.keys.statement.text()).id()
    parts = lab.parts(envelope=canonical(forged))
    assert "does not verify" in refusal(deliver(tmp_path, lab, parts))


def test_one_key_for_both_purposes_is_not_trusted(tmp_path: Path, lab: SmallLab) -> None:
    delivered = deliver(tmp_path, lab)
    key = lab.keys.log.text()
    delivered.trust.write_text(f"log {key}\nstatement {key}\n")
    assert delivered.judge().status == verifier.USAGE


def test_bundled_keys_that_say_more_are_refused(tmp_path: Path, lab: SmallLab) -> None:
    delivered = deliver(tmp_path, lab)
    delivered.put("lab.pub", b"# checked by the ministry\n" + lab.keys.text().encode())
    assert "lab.pub" in refusal(delivered)


def test_stolen_statement_key_without_the_ledger_is_refused(
    tmp_path: Path, lab: SmallLab
) -> None:
    """The forged statement names another fence level; the ledger does not hold it."""
    weaker = replace(lab.closure, code=Digest("code", ZEROS))
    parts = lab.parts(envelope=lab.sign(weaker).envelope)
    assert refusal(deliver(tmp_path, lab, parts))
    same_closure_signed_again = sign_statement(
        replace(lab.closure, code=Digest("another name", lab.closure.code.sha256)),
        lab.statement_signer,
    )
    parts = lab.parts(envelope=same_closure_signed_again.envelope)
    (tmp_path / "again").mkdir()
    reason = refusal(deliver(tmp_path / "again", lab, parts))
    assert "the ledger holds another envelope" in reason


def test_two_signatures_are_refused(tmp_path: Path, lab: SmallLab) -> None:
    envelope = json.loads(lab.signed.envelope)
    envelope["signatures"] *= 2
    parts = lab.parts(envelope=canonical(envelope))
    assert "expected one signature, found 2" in refusal(deliver(tmp_path, lab, parts))


# Checkpoints


def test_checkpoint_of_another_ledger_is_refused(tmp_path: Path, lab: SmallLab) -> None:
    other = SmallLab(seed=2)
    parts = lab.parts(checkpoint=other.checkpoint())
    assert "checkpoint.txt" in refusal(deliver(tmp_path, lab, parts))


def test_checkpoint_whose_origin_is_not_the_keys_name_is_refused(
    tmp_path: Path, lab: SmallLab
) -> None:
    key = lab.log_signer.public_key
    other = LogKey(name="lab_other/log")
    note = sign_head("lab_other/log", len(lab.log.leaves), lab.log.root(), other).note
    body, _, _ = note.partition("\n\n")
    signed = key.key_hash + lab.log_signer.sign((body + "\n").encode())
    line = verifier.base64.b64encode(signed).decode()
    parts = lab.parts(checkpoint=f"{body}\n\n— {key.name} {line}\n")
    assert "another ledger, lab_other/log" in refusal(deliver(tmp_path, lab, parts))


def test_checkpoint_that_the_log_key_did_not_sign_is_refused(
    tmp_path: Path, lab: SmallLab
) -> None:
    """Another ledger under the signature line of the right one: only the signature tells."""
    rewritten = SmallLab(twist=_other_wrap)
    body = rewritten.checkpoint().partition("\n\n")[0]
    line = lab.checkpoint().partition("\n\n")[2]
    parts = rewritten.parts(checkpoint=f"{body}\n\n{line}")
    assert "does not verify" in refusal(deliver(tmp_path, rewritten, parts))


def test_checkpoint_signed_twice_by_the_log_is_refused(tmp_path: Path, lab: SmallLab) -> None:
    note = lab.checkpoint()
    line = note.partition("\n\n")[2]
    parts = lab.parts(checkpoint=note + line)
    assert "found 2" in refusal(deliver(tmp_path, lab, parts))


def test_witness_signature_is_passed_over_and_said(tmp_path: Path, lab: SmallLab) -> None:
    note = lab.checkpoint()
    body = note.partition("\n\n")[0] + "\n"
    witness = LogKey(name="witness.example")
    blob = witness.public_key.key_hash + witness.sign(body.encode())
    line = f"— witness.example {verifier.base64.b64encode(blob).decode()}\n"
    verdict = deliver(tmp_path, lab, lab.parts(checkpoint=note + line)).judge()
    assert verdict.verified
    assert ("", "1 further signature, not checked") in verdict.computed


def test_entries_of_another_ledger_are_refused(tmp_path: Path, lab: SmallLab) -> None:
    other = SmallLab(twist=lambda _, body: {**body, "extra": "field"})
    parts = lab.parts(leaves=[other.log.leaves[index] for index in other.chosen])
    assert "not entries of the ledger" in refusal(deliver(tmp_path, lab, parts))


def test_proof_for_other_places_is_refused(tmp_path: Path, lab: SmallLab) -> None:
    moved = [index - 1 for index in lab.chosen]
    proof = prove_together(moved, len(lab.log.leaves), lab.log.inclusion)
    assert "not entries of the ledger" in refusal(
        deliver(tmp_path, lab, lab.parts(proof=proof))
    )


def test_inner_node_cannot_pass_for_an_entry(tmp_path: Path, lab: SmallLab) -> None:
    """Two leaf hashes concatenated are the content of an inner node (RFC 6962 2.1)."""
    node = slow_tree.tree_hash(lab.log.leaves[:2])
    assert verifier.leaf_hash(b"".join(map(verifier.leaf_hash, lab.log.leaves[:2]))) != node


def test_ledger_rewritten_with_both_keys_is_caught_by_a_remembered_head(
    tmp_path: Path, lab: SmallLab
) -> None:
    """Whoever holds both keys can tell another story; only an older head shows it."""
    remembered = tmp_path / "head.txt"
    remembered.write_text(lab.checkpoint())
    rewritten = SmallLab(twist=_other_wrap)
    delivered = deliver(tmp_path, rewritten)
    assert delivered.judge().verified, "missed without a remembered head"
    reason = refusal(delivered, checkpoint=str(remembered))
    assert "two different histories" in reason


def _other_wrap(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "wrap": "AAAA"} if kind == "record.added" else body


def test_ledger_that_grew_is_shown_consistent_and_a_shrunken_proof_refused(
    tmp_path: Path, lab: SmallLab
) -> None:
    older = tmp_path / "head.txt"
    older.write_text(lab.checkpoint())
    size = len(lab.log.leaves)
    for _ in range(9):
        lab.log.append("prediction.made", {})
    delivered = deliver(tmp_path, lab)
    proof = [
        verifier.base64.b64encode(part).decode()
        for part in slow_tree.proof(size, lab.log.leaves)
    ]
    path = tmp_path / "proof.txt"
    path.write_text("\n".join(proof))
    assert delivered.judge(checkpoint=str(older), consistency=str(path)).verified
    assert delivered.judge(checkpoint=str(older)).status == verifier.USAGE
    path.write_text("\n".join(proof[1:]))
    assert refusal(delivered, checkpoint=str(older), consistency=str(path))


# A lab that contradicts itself: every signature and every proof is right


def set_in(kind: str, name: str, value: Any) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    return lambda found, body: {**body, name: value} if found == kind else body


LIES = [
    ("run.begun", "run", "run_aaaaaaaaaaaaaaaa"),
    ("run.begun", "command_commitment", ZEROS),
    ("run.begun", "code", ZEROS),
    ("run.begun", "environment", ZEROS),
    ("run.begun", "settings", {"OMP_NUM_THREADS": "64"}),
    ("run.begun", "versions", []),
    ("run.ended", "run", "run_aaaaaaaaaaaaaaaa"),
    ("run.ended", "fence", {"level": "none"}),
    ("run.output", "run", "run_aaaaaaaaaaaaaaaa"),
    ("run.output", "commitment", ZEROS),
    ("model.registered", "run", "run_aaaaaaaaaaaaaaaa"),
    ("model.registered", "sha256", ZEROS),
    ("model.registered", "output", 3),
    ("statement.signed", "run", "run_aaaaaaaaaaaaaaaa"),
    ("statement.signed", "envelope", "{}"),
    ("version.committed", "root", ZEROS),
    ("version.committed", "records", 4),
    ("version.committed", "number", 2),
    ("version.committed", "dataset", "others"),
    ("record.added", "subject", "sub_aaaaaaaaaaaaaaaa"),
    ("record.added", "object", ZEROS),
    ("record.added", "commitment", ZEROS),
    ("record.added", "meta", "AAAA"),
    ("record.added", "dataset", "others"),
    ("record.added", "quarantine", "no-subject"),
    ("label.added", "record", "rec_aaaaaaaaaaaaaaaa"),
    ("label.added", "commitment", ZEROS),
]


@pytest.mark.parametrize(("kind", "name", "value"), LIES, ids=[f"{k}-{n}" for k, n, _ in LIES])
def test_ledger_that_contradicts_statement_or_version_is_refused(
    tmp_path: Path, kind: str, name: str, value: Any
) -> None:
    class Liar(SmallLab):
        """The version is built from what is true, the entry says something else."""

        def _note(self, found: str, body: dict[str, Any]) -> int:
            index = self.log.append(found, set_in(kind, name, value)(found, body))
            self.chosen.append(index)
            return index

    assert refusal(deliver(tmp_path, Liar()))


MISSTATEMENTS: dict[str, Callable[[Closure], Closure]] = {
    "another run": lambda c: replace(c, run="run_aaaaaaaaaaaaaaaa"),
    "another lab": lambda c: replace(c, lab="lab_aaaaaaaaaaaaaaaa"),
    "a model more": lambda c: replace(c, companions=(Digest("b.onnx", ZEROS),)),
    "another model": lambda c: replace(c, model=Digest("model.onnx", ZEROS)),
    "another root": lambda c: replace(c, versions=(Digest("scans@1", ZEROS),)),
    "another version": lambda c: replace(
        c, versions=(Digest("scans@2", c.versions[0].sha256),)
    ),
    "no data": lambda c: replace(c, versions=()),
    "other code": lambda c: replace(c, code=Digest("code", ZEROS)),
    "other settings": lambda c: replace(c, settings={}),
    "a stronger fence": lambda c: replace(c, fence=replace(c.fence, level=FenceLevel.NONE)),
    "another start": lambda c: replace(c, started="2020-01-01T00:00:00.000000Z"),
    "another end": lambda c: replace(c, finished="2030-01-01T00:00:00.000000Z"),
    "an output less": lambda c: replace(c, outputs=c.outputs[:1]),
    "outputs swapped": lambda c: replace(c, outputs=c.outputs[::-1]),
    "entries elsewhere": lambda c: replace(c, ledger_indices=(0,)),
    "another command": lambda c: replace(c, command_commitment=ZEROS),
    "another environment": lambda c: replace(c, environment=Digest("python3", ZEROS)),
}


@pytest.mark.parametrize("restate", MISSTATEMENTS.values(), ids=MISSTATEMENTS.keys())
def test_statement_that_contradicts_the_ledger_is_refused(
    tmp_path: Path, restate: Callable[[Closure], Closure]
) -> None:
    assert refusal(deliver(tmp_path, SmallLab(restate=restate)))


def test_run_given_one_version_twice_is_refused(tmp_path: Path) -> None:
    def twist(kind: str, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "versions": body["versions"] * 2} if kind == "run.begun" else body

    lab = SmallLab(
        twist=twist, restate=lambda closure: replace(closure, versions=closure.versions * 2)
    )
    parts = lab.parts(versions=[lab.version_leaves] * 2)
    assert "twice" in refusal(deliver(tmp_path, lab, parts))


def without(lab: SmallLab, kind: str) -> None:
    lab.chosen = [
        index for index in lab.chosen if json.loads(lab.log.leaves[index])["type"] != kind
    ]


@pytest.mark.parametrize(
    "kind",
    [
        "record.added",
        "label.added",
        "version.committed",
        "run.begun",
        "run.output",
        "run.ended",
        "model.registered",
        "statement.signed",
    ],
)
def test_missing_part_of_the_story_is_refused(tmp_path: Path, lab: SmallLab, kind: str) -> None:
    without(lab, kind)
    assert refusal(deliver(tmp_path, lab))


@pytest.mark.parametrize("kind", ["record.added", "run.begun", "prediction.made", "made.up"])
def test_entry_with_no_part_in_the_story_is_refused(
    tmp_path: Path, lab: SmallLab, kind: str
) -> None:
    body = json.loads(lab.log.leaves[lab.chosen[0]])["body"]
    body["record"] = "rec_aaaaaaaaaaaaaaaa"
    lab.chosen.append(lab.log.append(kind, body))
    assert refusal(deliver(tmp_path, lab))


def test_record_added_twice_is_refused(tmp_path: Path, lab: SmallLab) -> None:
    body = json.loads(lab.log.leaves[lab.chosen[0]])["body"]
    lab.chosen.append(lab.log.append("record.added", body))
    assert "added before" in refusal(deliver(tmp_path, lab))


def test_record_added_after_its_version_is_refused(tmp_path: Path) -> None:
    class Hasty(SmallLab):
        """Commits to a version first, and adds its records later."""

        def _add_records(self) -> None:
            self.begin = len(self.log.leaves)
            super()._add_records()
            self.late, self.log.leaves = self.log.leaves[self.begin :], []
            self.chosen = []

        def _train(self) -> None:
            self.chosen += range(len(self.log.leaves), len(self.log.leaves) + len(self.late))
            self.log.leaves += self.late
            super()._train()

    assert "after the version" in refusal(deliver(tmp_path, Hasty(labels=False)))


def test_leaves_in_another_order_are_refused(tmp_path: Path) -> None:
    class Shuffled(SmallLab):
        def _commit_version(self) -> None:
            self.version_leaves.reverse()
            super()._commit_version()

    assert "ledger order" in refusal(deliver(tmp_path, Shuffled()))


@pytest.mark.parametrize("change", ["drop", "double", "swap", "forge"])
def test_version_that_is_not_the_one_trained_on_is_refused(
    tmp_path: Path, lab: SmallLab, change: str
) -> None:
    leaves = list(lab.version_leaves)
    if change == "drop":
        del leaves[2]
    elif change == "double":
        leaves.insert(2, leaves[2])
    elif change == "swap":
        leaves[1], leaves[2] = leaves[2], leaves[1]
    else:
        leaves[0] = leaves[0].replace(b'"labels":[{', b'"labels":[],"x":[{')
    assert refusal(deliver(tmp_path, lab, lab.parts(versions=[leaves])))


def test_label_hidden_from_version_and_entries_is_refused(
    tmp_path: Path, lab: SmallLab
) -> None:
    """Whoever holds no key can leave entries out; the root still says what was there."""
    leaf = json.loads(lab.version_leaves[0])
    hidden = leaf["labels"].pop()["label"]
    lab.version_leaves[0] = canonical(leaf)
    lab.chosen = [
        index
        for index in lab.chosen
        if f'"label":"{hidden}"'.encode() not in lab.log.leaves[index]
    ]
    assert "Merkle root" in refusal(deliver(tmp_path, lab))


def test_model_without_an_opening_of_its_output_is_refused(
    tmp_path: Path, lab: SmallLab
) -> None:
    reason = refusal(deliver(tmp_path, lab, lab.parts(disclosures=[])))
    assert "not shown to be what the run left" in reason


def test_opening_of_another_commitment_is_refused(tmp_path: Path, lab: SmallLab) -> None:
    name = f"output-{lab.model_output}"
    opening = next(found for key, found in lab.openings.items() if key.startswith("rec_"))
    lab.openings[name] = opening
    assert "does not open" in refusal(deliver(tmp_path, lab))


def test_disclosed_content_that_was_not_committed_to_is_refused(
    tmp_path: Path, lab: SmallLab
) -> None:
    record = next(name for name in lab.openings if name.startswith("rec_"))
    parts = lab.parts()
    shown = [*parts.disclosures, lab.disclose(record, b"another patient's scan")]
    reason = refusal(deliver(tmp_path, lab, replace(parts, disclosures=shown)))
    assert "not the content" in reason


def test_another_environment_description_is_refused(tmp_path: Path, lab: SmallLab) -> None:
    reason = refusal(deliver(tmp_path, lab, lab.parts(environment=b"{}")))
    assert "environment.json" in reason


def test_taint_of_another_model_is_refused(tmp_path: Path) -> None:
    lab = SmallLab(twist=set_in("model.tainted", "sha256", ZEROS))
    lab.taint()
    assert "another model" in refusal(deliver(tmp_path, lab))


# Erasures

ERASURE_LIES = [
    ("erase.intended", "subjects", ["sub_aaaaaaaaaaaaaaaa"]),
    ("erase.intended", "reason", "another"),
    ("erase.intended", "operation", "op_bbbbbbbbbbbbbbbb"),
    ("erase.completed", "operation", "op_bbbbbbbbbbbbbbbb"),
    ("erase.completed", "certificate", "{}"),
    ("erase.completed", "epoch_after", 3),
    ("erase.completed", "destroyed", 1),
    ("erase.completed", "level", "L2"),
    ("model.tainted", "operation", "op_bbbbbbbbbbbbbbbb"),
    ("model.tainted", "sha256", ZEROS),
]


@pytest.mark.parametrize(
    ("kind", "name", "value"), ERASURE_LIES, ids=[f"{k}-{n}" for k, n, _ in ERASURE_LIES]
)
def test_certificate_that_contradicts_the_ledger_is_refused(
    tmp_path: Path, kind: str, name: str, value: Any
) -> None:
    lab = SmallLab(twist=set_in(kind, name, value))
    assert refusal(deliver(tmp_path, lab, SmallErasure(lab).parts()))


def test_certificate_hiding_a_tainted_model_is_refused(tmp_path: Path, lab: SmallLab) -> None:
    class Hiding(SmallErasure):
        """The ledger taints a model that the certificate does not name."""

        def _events(self) -> list[tuple[str, dict[str, Any]]]:
            intended, completed = super()._events()
            body = {**intended[1], "run": self.lab.run, "sha256": ZEROS}
            return [intended, ("model.tainted", body), completed]

    hiding = Hiding(lab, certificate(lab, models=()))
    reason = refusal(deliver(tmp_path, lab, hiding.parts()))
    assert "not the models that the certificate names" in reason


def test_statement_cannot_pass_for_a_certificate(tmp_path: Path, lab: SmallLab) -> None:
    erasure = SmallErasure(lab)
    parts = replace(erasure.parts(), envelope=lab.signed.envelope)
    assert "not of the type" in refusal(deliver(tmp_path, lab, parts))


def test_keys_of_a_lab_are_two(lab: SmallLab) -> None:
    assert LabKeys.parse(lab.keys.text()) == lab.keys
