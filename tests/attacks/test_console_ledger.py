"""Claim: the console's page of the ledger refuses a record that is not the one it saw before.

The page's own code, run by Node against a service that holds the log's key and lies: it may
sign whatever it likes, and the browser remembers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloister.core.signing import PublicKey
from tests.conftest import ROOT

ESBUILD = ROOT / "console/node_modules/.bin/esbuild"
LAB = "lab_aaaaaaaaaaaaaaaa"
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="no Node")
ASK = """
import { checked, holds } from "%s";
import { readFileSync } from "node:fs";
const asked = JSON.parse(readFileSync(0, "utf8"));
const kept = new Map();
const memory = { getItem: (n) => kept.get(n) ?? null, setItem: (n, v) => void kept.set(n, v) };
const said = [];
for (const one of asked) {
  const service = {
    head: async () => one.head,
    consistency: async () => ({ hashes: one.proof }),
    inclusion: async () => ({ hashes: one.path }),
  };
  const verdict = await checked("%s", service, memory);
  let held = null;
  if (one.leaf !== null && verdict.head)
    held = await holds(Buffer.from(one.leaf, "base64"), one.index, verdict.head, service);
  const { kind, why = null, since = null } = verdict;
  said.push({ kind, why, held, since });
}
console.log(JSON.stringify(said));
"""


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1."""
    if len(leaves) < 2:
        return sha(b"\0", leaves[0]) if leaves else sha()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\1", root_of(leaves[:k]), root_of(leaves[k:]))


def inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if index < k:
        return [*inclusion(index, leaves[:k]), root_of(leaves[k:])]
    return [*inclusion(index - k, leaves[k:]), root_of(leaves[:k])]


def consistency(old: int, leaves: Sequence[bytes], whole: bool = True) -> list[bytes]:
    """RFC 6962, 2.1.2."""
    if old == len(leaves):
        return [] if whole else [root_of(leaves)]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if old <= k:
        return [*consistency(old, leaves[:k], whole), root_of(leaves[k:])]
    return [*consistency(old - k, leaves[k:], False), root_of(leaves[:k])]


class Service:
    """Holds a log and its key."""

    def __init__(self, lab: str = LAB) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public = PublicKey(f"{lab}/log", self._key.public_key().public_bytes_raw())

    def note(self, leaves: Sequence[bytes]) -> str:
        root = base64.b64encode(root_of(leaves)).decode()
        body = f"{self.public.name}\n{len(leaves)}\n{root}\n"
        signed = self.public.key_hash + self._key.sign(body.encode())
        return f"{body}\n— {self.public.name} {base64.b64encode(signed).decode()}\n"

    def says(
        self,
        leaves: Sequence[bytes],
        old: int = 0,
        *,
        leaf: bytes | None = None,
        index: int = 0,
        **lies: Any,
    ) -> dict[str, Any]:
        """What it answers about a log: the truth, but for ``lies``."""
        grown = 0 < old < len(leaves)
        coded = (
            [base64.b64encode(one).decode() for one in consistency(old, leaves)]
            if grown
            else []
        )
        path = [base64.b64encode(one).decode() for one in inclusion(index, leaves)]
        head = {"note": self.note(leaves), "size": len(leaves), "key": self.public.text()}
        said = {"head": head, "proof": coded, "path": path, "index": index}
        said["leaf"] = None if leaf is None else base64.b64encode(leaf).decode()
        return said | lies


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's code, as a script."""
    assert ESBUILD.exists(), "the console's tools are missing: run `make console`"
    folder = tmp_path_factory.mktemp("page")
    source = ROOT / "console/src/pages/ledger/trust.ts"
    bundle = [str(ESBUILD), str(source), "--bundle", "--format=esm", "--log-level=error"]
    subprocess.run([*bundle, f"--outfile={folder / 'trust.mjs'}"], check=True)
    made = folder / "ask.mjs"
    made.write_text(ASK % (folder / "trust.mjs", LAB))
    return made


def verdicts(script: Path, *asked: dict[str, Any]) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["node", str(script)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


LEAVES = [f"entry {number}".encode() for number in range(40)]


def test_an_honest_log_is_believed_at_every_size(script: Path) -> None:
    service = Service()
    said = [service.says(LEAVES[:1], leaf=LEAVES[0])]
    for size in range(2, 41):
        index = (size * 7) % size
        said.append(service.says(LEAVES[:size], size - 1, leaf=LEAVES[index], index=index))
    for old, new in ((3, 29), (16, 33), (1, 40)):
        said += [service.says(LEAVES[:new], new)]
        assert (
            verdicts(script, service.says(LEAVES[:old]), service.says(LEAVES[:new], old))[1][
                "kind"
            ]
            == "verified"
        ), (old, new)
    found = verdicts(script, *said[:40])
    assert [one["kind"] for one in found] == ["first"] + ["verified"] * 39
    assert all(one["held"] for one in found)


def test_a_log_that_was_rolled_back_or_rewritten_is_refused_and_not_remembered(
    script: Path,
) -> None:
    service = Service()
    other = [b"rewritten", *LEAVES[1:]]
    honest = service.says(LEAVES[:20])
    for lie, why in (
        (service.says(LEAVES[:19]), "rolled back"),
        (service.says(other[:20]), "rewritten"),
        (service.says(other[:30], 20), "not those"),
        (service.says(LEAVES[:30], 20, proof=[]), "not those"),
        (
            service.says(other[:30], 20, proof=service.says(LEAVES[:30], 20)["proof"]),
            "not those",
        ),
    ):
        first, refused, again = verdicts(script, honest, lie, service.says(LEAVES[:31], 20))
        assert first["kind"] == "first"
        assert refused["kind"] == "refused", why
        assert why in refused["why"]
        assert (again["kind"], again["since"]) == ("verified", 20)  # memory is as it was


def test_a_head_that_the_key_did_not_sign_is_refused(script: Path) -> None:
    service, other = Service(), Service()
    honest = service.says(LEAVES[:20])
    grown = service.says(LEAVES[:21], 20)
    stranger = other.says(LEAVES[:21], 20)
    tampered = grown["head"]["note"].replace("\n21\n", "\n22\n")
    mixed = {**grown["head"], "note": stranger["head"]["note"]}
    unsigned = {**grown["head"], "note": grown["head"]["note"].partition("\n\n")[0]}
    elsewhere = Service("lab_bbbbbbbbbbbbbbbb").says(LEAVES[:20])
    for lie in (
        stranger,  # another key, all of it right
        {**grown, "head": mixed},
        {**grown, "head": {**grown["head"], "note": tampered}},
        {**grown, "head": unsigned},
        {**grown, "head": {**grown["head"], "note": "not a note"}},
    ):
        assert verdicts(script, honest, lie)[1]["kind"] == "refused", lie["head"]
    assert verdicts(script, elsewhere)[0]["kind"] == "refused"
    assert verdicts(script, {**honest, "head": {**honest["head"], "key": "x"}})[0]["kind"] == (
        "refused"
    )


def test_an_entry_that_is_not_in_the_log_is_not_held(script: Path) -> None:
    service = Service()
    for lie in (
        service.says(LEAVES, leaf=b"never written", index=11),
        service.says(LEAVES, leaf=LEAVES[12], index=11),
        service.says(LEAVES, leaf=LEAVES[11], index=11, path=[]),
        service.says(LEAVES, leaf=LEAVES[11], index=12),
    ):
        assert verdicts(script, lie)[0]["held"] is False
    assert verdicts(script, service.says(LEAVES, leaf=LEAVES[11], index=11))[0]["held"] is True
