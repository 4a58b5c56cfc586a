"""A lab small enough to hold in the hand: real keys, a real log, one trained model.

Its tree is the slow one of the ledger's tests: proofs and verifier are held against RFC 6962.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cloister.core.canonical import canonical
from cloister.core.commitment import Opening, commit_to
from cloister.core.encoding import to_text
from cloister.core.events import Event
from cloister.core.ids import LabelId, LabId, OperationId, RecordId, RunId, SubjectId
from cloister.core.values import Closure, Digest, FenceLevel, FenceReport
from cloister.ledger.checkpoint import sign_head
from cloister.proof.bundle import BundleKind, BundleParts, Disclosure, ModelFile
from cloister.proof.multiproof import prove_together
from cloister.proof.statement import SignedStatement, sign_statement
from cloister.proof.trust import LabKeys
from cloister.runs.history import fence_body
from tests.ledger import slow_tree
from tests.ledger.lab import LogKey

MODEL = b"\x08\x07onnx model of a small lab"
ENVIRONMENT = b'{"distributions":[],"name":"python3"}'


class Log:
    """Leaves, and what RFC 6962 2.1 says of them."""

    def __init__(self) -> None:
        self.leaves: list[bytes] = []

    def append(self, kind: str, body: dict[str, Any]) -> int:
        index = len(self.leaves)
        moment = f"2026-11-20T10:{index // 60 % 60:02}:{index % 60:02}.000000Z"
        event = Event(kind, moment, "per_aaaaaaaaaaaaaaaa", "a member may do this", body)
        self.leaves.append(event.leaf())
        return index

    def root(self) -> bytes:
        return slow_tree.tree_hash(self.leaves)

    def inclusion(self, index: int) -> list[bytes]:
        return slow_tree.path(index, self.leaves)


@dataclass
class SmallLab:
    """Everything needed to write a bundle, and to write a false one."""

    records: int = 5
    labels: bool = True
    noise: int = 3
    """Entries of other people's work, before, between and after."""
    seed: int = 1
    twist: Callable[[str, dict[str, Any]], dict[str, Any]] = field(default=lambda _, body: body)
    """Changes the bodies of events before they are recorded: a lab that lies to its ledger."""
    restate: Callable[[Closure], Closure] = field(default=lambda closure: closure)
    """Changes what is signed: a lab that lies in its statement."""
    lab: str = field(init=False)
    log: Log = field(default_factory=Log)
    openings: dict[str, Opening] = field(default_factory=dict)
    version_leaves: list[bytes] = field(default_factory=list)
    chosen: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        self.randomness = chance.randbytes
        self.lab = LabId.new(self.randomness)
        self.run = RunId.new(self.randomness)
        self.log_signer = LogKey(self.randomness(32), f"{self.lab}/log")
        self.statement_signer = LogKey(self.randomness(32), f"{self.lab}/statement")
        self._make_noise()
        self._add_records()
        self._commit_version()
        self._train()
        self._make_noise()

    @property
    def keys(self) -> LabKeys:
        return LabKeys(self.log_signer.public_key, self.statement_signer.public_key)

    def _note(self, kind: str, body: dict[str, Any]) -> int:
        index = self.log.append(kind, self.twist(kind, body))
        self.chosen.append(index)
        return index

    def _make_noise(self) -> None:
        for number in range(self.noise):
            self.log.append("prediction.made", {"number": number})

    def _commit_to(self, name: str, plaintext: bytes) -> str:
        self.openings[name] = commit_to(plaintext, self.randomness)
        return self.openings[name].commitment()

    def _add_records(self) -> None:
        for number in range(self.records):
            record = RecordId.new(self.randomness)
            meta = self.randomness(60)
            body = {
                "batch": "bat_aaaaaaaaaaaaaaaa",
                "commitment": self._commit_to(record, plaintext_of(number)),
                "dataset": "scans",
                "kind": "file",
                "meta": to_text(meta),
                "object": self.randomness(32).hex(),
                "quarantine": None,
                "record": record,
                "seal": to_text(self.randomness(16)),
                "size": 10,
                "subject": SubjectId.new(self.randomness),
                "wrap": to_text(self.randomness(60)),
            }
            self._note("record.added", body)
            marks = [self._label(record, number)] if self.labels and number % 5 != 3 else []
            leaf = {name: body[name] for name in ("commitment", "object", "record", "subject")}
            leaf |= {"meta": hashlib.sha256(meta).hexdigest(), "labels": marks}
            self.version_leaves.append(canonical(leaf))

    def _label(self, record: str, number: int) -> dict[str, str]:
        label = LabelId.new(self.randomness)
        committed = self._commit_to(label, b"grade %d" % number)
        self._note(
            "label.added",
            {
                "batch": "bat_aaaaaaaaaaaaaaaa",
                "blind": 0,
                "commitment": committed,
                "dataset": "scans",
                "label": label,
                "record": record,
                "role": "clinician",
                "schema": "grade",
                "supersedes": None,
                "value": to_text(self.randomness(40)),
            },
        )
        return {"commitment": committed, "label": label}

    def _commit_version(self) -> None:
        self._make_noise()
        self.root = slow_tree.tree_hash(self.version_leaves).hex()
        self._note(
            "version.committed",
            {
                "batch": "bat_aaaaaaaaaaaaaaaa",
                "dataset": "scans",
                "number": 1,
                "records": self.records,
                "removed": [],
                "root": self.root,
                "size": 10 * self.records,
                "subjects": self.records,
            },
        )

    def _train(self) -> None:
        command = self._commit_to("command", b"python train.py")
        settings = {"OMP_NUM_THREADS": "2", "cpu": "naïve µ-processor \U0001d518"}
        code, environment = "c0" * 32, hashlib.sha256(ENVIRONMENT).hexdigest()
        began = self._note(
            "run.begun",
            {
                "code": code,
                "command": to_text(b"sealed"),
                "command_commitment": command,
                "environment": environment,
                "run": self.run,
                "seal": "",
                "settings": settings,
                "versions": [{"dataset": "scans", "number": 1, "part": "", "root": self.root}],
                "wrap": "",
            },
        )
        log = self._output("log", b"epoch 1\n")
        model = self._output("output", MODEL)
        fence = FenceReport(FenceLevel.FULL, 0, 2, {"io_uring_setup": 1}, 21, 900, 1 << 20)
        ended = self._note(
            "run.ended",
            {
                "exit_status": 0,
                "fence": fence_body(fence),
                "run": self.run,
                "state": "finished",
            },
        )
        digest = hashlib.sha256(MODEL).hexdigest()
        self._note(
            "model.registered",
            {
                "format": "onnx",
                "output": model,
                "run": self.run,
                "sha256": digest,
                "size": len(MODEL),
                "spec": {},
            },
        )
        self.model_output = model
        self.closure = Closure(
            lab=self.lab,
            run=self.run,
            model=Digest("model.onnx", digest),
            command_commitment=command,
            versions=(Digest("scans@1", self.root),),
            code=Digest("working folder", code),
            environment=Digest("python3", environment),
            settings=settings,
            started=self._time(began),
            finished=self._time(ended),
            fence=fence,
            ledger_indices=(began, ended),
            outputs=(
                self.openings[f"output-{log}"].commitment(),
                self.openings[f"output-{model}"].commitment(),
            ),
        )
        self.closure = self._completed(self.closure)
        self.signed = self.sign(self.restate(self.closure))
        self.record_statement(self.signed)

    def _completed(self, closure: Closure) -> Closure:
        """More of what made the model, for labs that know more."""
        return closure

    def _time(self, index: int) -> str:
        return str(json.loads(self.log.leaves[index])["time"])

    def _output(self, kind: str, plaintext: bytes) -> int:
        place = len(self.log.leaves)
        return self._note(
            "run.output",
            {
                "commitment": self._commit_to(f"output-{place}", plaintext),
                "kind": kind,
                "meta": "",
                "object": "0b" * 32,
                "run": self.run,
                "seal": "",
                "size": len(plaintext),
                "wrap": "",
            },
        )

    def sign(self, closure: Closure) -> SignedStatement:
        return sign_statement(closure, self.statement_signer)

    def record_statement(self, signed: SignedStatement) -> None:
        self._note(
            "statement.signed",
            {
                "envelope": signed.envelope.decode(),
                "run": self.run,
                "sha256": signed.statement.sha256,
            },
        )

    def taint(self) -> None:
        operation = OperationId.new(self.randomness)
        digest = self.closure.model.sha256
        body = {"operation": operation, "run": self.run, "sha256": digest}
        self._note("model.tainted", body)

    def checkpoint(self) -> str:
        log = self.log
        origin = self.log_signer.public_key.name
        return sign_head(origin, len(log.leaves), log.root(), self.log_signer).note

    def disclose(self, name: str, content: bytes | None = None) -> Disclosure:
        shown = None if content is None else [content]
        return Disclosure(name, self.openings[name], shown)

    def parts(self, **changes: Any) -> BundleParts:
        proof = prove_together(self.chosen, len(self.log.leaves), self.log.inclusion)
        parts = BundleParts(
            kind=BundleKind.MODEL,
            lab=self.lab,
            about=self.run,
            keys=self.keys,
            envelope=self.signed.envelope,
            checkpoint=self.checkpoint(),
            proof=proof,
            leaves=[self.log.leaves[index] for index in self.chosen],
            versions=[self.version_leaves],
            models=[ModelFile(self.closure.model, [MODEL])],
            disclosures=[self.disclose(f"output-{self.model_output}")],
            environment=ENVIRONMENT,
        )
        return replace(parts, **changes)

    def trust(self, folder: Path) -> Path:
        path = folder / "lab.pub"
        path.write_text("# got from the data-protection officer\n" + self.keys.text())
        return path


def plaintext_of(number: int) -> bytes:
    return b"scan %d" % number
