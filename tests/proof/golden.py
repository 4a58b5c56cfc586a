"""The golden files of the proof formats; `python -m tests.proof.golden` writes them anew.

They change only with a format's version: an old bundle must be checked by every later verifier.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from cloister.proof.bundle import write_bundle
from cloister.proof.certificate import sign_certificate
from tests.proof.small_conversion import SmallConversion
from tests.proof.small_erasure import certificate
from tests.proof.small_lab import SmallLab, plaintext_of

GOLDEN = Path(__file__).parents[1] / "golden"
BUNDLE = "bundle-v1"
CONVERTED = "bundle-v1-converted"


def write_all(folder: Path) -> None:
    """Every golden file, into ``folder``."""
    lab = SmallLab()
    record = next(name for name in lab.openings if name.startswith("rec_"))
    shown = [*lab.parts().disclosures, lab.disclose(record, plaintext_of(0))]
    write_bundle(folder / BUNDLE, lab.parts(disclosures=shown))
    converted = SmallConversion(seed=3)
    write_bundle(folder / CONVERTED, converted.parts())
    certified = sign_certificate(certificate(lab), lab.statement_signer)
    files = {
        "bundle-v1.lab.pub": lab.keys.text().encode(),
        "dataset-version-v1.jsonl": b"".join(leaf + b"\n" for leaf in lab.version_leaves),
        "dataset-version-v1.root": f"{lab.root}\n".encode(),
        "statement-v1.json": lab.signed.statement.payload,
        "statement-v1.dsse.json": lab.signed.envelope,
        "bundle-v1-converted.lab.pub": converted.keys.text().encode(),
        "statement-v2.json": converted.signed.statement.payload,
        "statement-v2.dsse.json": converted.signed.envelope,
        "erasure-certificate-v1.json": certified.payload,
        "erasure-certificate-v1.dsse.json": certified.envelope,
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    for name in (BUNDLE, CONVERTED):
        shutil.rmtree(GOLDEN / name, ignore_errors=True)
    write_all(GOLDEN)
