"""Claim: whatever lies in a bundle's folder, the verifier stays inside it and refuses in words.

The attacker may write any bytes anywhere in the folder, manifest included, but holds no key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloister.core.canonical import canonical
from tests.proof.small_lab import SmallLab
from tests.proof.verifying import SOURCE, Delivered, deliver, verifier


@pytest.fixture(scope="module")
def lab() -> SmallLab:
    return SmallLab()


@pytest.fixture
def bundle(tmp_path: Path, lab: SmallLab) -> Delivered:
    return deliver(tmp_path, lab)


def refusal(bundle: Delivered) -> str:
    verdict = bundle.judge()
    assert verdict.refused, f"{verdict.status}: {verdict.reason}"
    return verdict.reason


# The folder


@pytest.mark.parametrize(
    "path",
    [
        "../lab.pub",
        "versions/../../lab.pub",
        "/etc/passwd",
        "models/../lab.pub",
        "models/a\\..\\b",
        "models//x",
        "models/.hidden",
        "models/x.",
        "models/e\u0301.onnx",
        "models/\u202exnno.ledom",
        "models/x\n",
        "models/x\x00",
        "lab.pub/",
        "LAB.PUB",
        "versions/0.jsonl",
        "versions/\u0661.jsonl",
        "disclosures/rec_.json",
        "disclosures/..json",
        "C:\\lab.pub",
        "manifest.json",
        "models/" + "x" * 200,
        "",
    ],
)
def test_path_outside_the_format_is_refused(bundle: Delivered, path: str) -> None:
    manifest = bundle.manifest()
    content = bundle.trust.read_bytes()
    entry = {
        "path": path,
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
    manifest["files"] = sorted([*manifest["files"], entry], key=lambda file: file["path"])
    bundle.write_manifest(manifest)
    assert "no place for" in refusal(bundle)


def test_file_besides_the_manifest_is_refused(bundle: Delivered) -> None:
    (bundle.folder / "NOTE.txt").write_text("verified by the ministry")
    assert "NOTE.txt lies in the bundle but not in its manifest" in refusal(bundle)


def test_second_model_besides_the_statement_is_refused(bundle: Delivered) -> None:
    bundle.put("models/better.onnx", b"unproven")
    assert "models/better.onnx is not a model of the statement" in refusal(bundle)


def test_missing_file_is_refused(bundle: Delivered) -> None:
    (bundle.folder / "versions" / "1.jsonl").unlink()
    assert "versions/1.jsonl is in the manifest but not in the bundle" in refusal(bundle)


def test_every_needed_file_is_missed(bundle: Delivered) -> None:
    for path in sorted(verifier.ALWAYS):
        content = (bundle.folder / path).read_bytes()
        (bundle.folder / path).unlink()
        bundle.relist()
        assert f"{path} is missing from the manifest" in refusal(bundle)
        bundle.put(path, content)
    assert bundle.judge().verified


def test_bundle_without_a_manifest_is_refused(bundle: Delivered) -> None:
    (bundle.folder / "manifest.json").unlink()
    assert refusal(bundle).startswith("manifest.json cannot be read")


def test_link_in_a_files_place_is_refused(bundle: Delivered, tmp_path: Path) -> None:
    model = bundle.folder / "models" / "model.onnx"
    model.rename(tmp_path / "elsewhere")
    model.symlink_to(tmp_path / "elsewhere")
    assert "models/model.onnx" in refusal(bundle)


def test_link_in_a_folders_place_is_refused(bundle: Delivered, tmp_path: Path) -> None:
    (bundle.folder / "models").rename(tmp_path / "models")
    (bundle.folder / "models").symlink_to(tmp_path / "models")
    assert "no plain file and no known folder" in refusal(bundle)


def test_linked_manifest_is_not_followed(bundle: Delivered, tmp_path: Path) -> None:
    (bundle.folder / "manifest.json").rename(tmp_path / "manifest.json")
    (bundle.folder / "manifest.json").symlink_to(tmp_path / "manifest.json")
    assert refusal(bundle).startswith("manifest.json cannot be read")


@pytest.mark.parametrize("path", ["manifest.json", "README.txt", "models/model.onnx"])
def test_pipe_does_not_hang_the_verifier(bundle: Delivered, path: str) -> None:
    (bundle.folder / path).unlink()
    os.mkfifo(bundle.folder / path)
    reason = refusal(bundle)
    assert path in reason
    assert "plain file" in reason


def test_socket_is_refused(bundle: Delivered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle.folder)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("models/s")
        assert "models/s is no plain file" in refusal(bundle)


@pytest.mark.parametrize("folder", ["models/deeper", "more", "versions/1.jsonl.d"])
def test_unknown_folder_is_refused(bundle: Delivered, folder: str) -> None:
    (bundle.folder / folder).mkdir()
    assert "no known folder" in refusal(bundle)


def test_name_that_is_no_text_is_refused_in_plain_letters(bundle: Delivered) -> None:
    path = os.path.join(os.fsencode(bundle.folder), b"models", b"\x1b[2J\xff.onnx")
    with open(path, "wb"):
        pass
    reason = refusal(bundle)
    assert verifier.printable(reason) == reason
    assert reason.isascii()


# JSON that can be read two ways, or breaks a reader


def doubled(text: bytes) -> bytes:
    return text.replace(b'{"', b'{"format":"cloister/bundle/v2","', 1)


SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "a doubled key": doubled,
    "a space": lambda text: text.replace(b":", b": ", 1),
    "a newline at the end": lambda text: text + b"\n",
    "a second value": lambda text: text + text,
    "a byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "a needless escape": lambda text: text.replace(b"lab_", b"\\u006cab_", 1),
    "a lone surrogate": lambda text: text.replace(b"lab_", b"\\ud800lab_", 1),
    "bytes that are no UTF-8": lambda text: text.replace(b"lab_", b"\xfflab_", 1),
    "another order of keys": lambda text: b'{"x":1,' + text[1:],
    "an array": lambda text: b"[" + text + b"]",
    "nothing": lambda text: b"",
    "null": lambda text: b"null",
    "depth": lambda text: b'{"about":' + b"[" * 200_000 + b"]" * 200_000 + b"," + text[1:],
    "a huge integer": lambda text: text.replace(b'"size":', b'"size":' + b"9" * 50_000, 1),
    "a fraction": lambda text: text.replace(b'"size":', b'"size":0.', 1),
    "an exponent": lambda text: text.replace(b'"size":', b'"size":1e9', 1),
    "NaN": lambda text: text.replace(b'"files":', b'"a":NaN,"files":', 1),
    "Infinity": lambda text: text.replace(b'"files":', b'"a":-Infinity,"files":', 1),
    "a number beyond 2^53": lambda text: text.replace(
        b'"size":', b'"size":9007199254740993', 1
    ),
    "minus zero": lambda text: text.replace(b'"size":', b'"a":-0,"size":', 1),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_second_spelling_of_the_manifest_is_refused(
    bundle: Delivered, spell: Callable[[bytes], bytes]
) -> None:
    path = bundle.folder / "manifest.json"
    assert spell(path.read_bytes()) != path.read_bytes()
    path.write_bytes(spell(path.read_bytes()))
    assert refusal(bundle).startswith("manifest.json")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "cloister/bundle/v2"},
        {"kind": "other"},
        {"kind": "erasure"},
        {"about": "run_aaaaaaaaaaaaaaaa"},
        {"about": 1},
        {"lab": "lab_aaaaaaaaaaaaaaaa"},
        {"lab": None},
        {"files": []},
        {"files": {}},
        {"files": [1]},
        {"files": [{"path": "lab.pub"}]},
        {"verified": True},
    ],
    ids=str,
)
def test_manifest_of_another_shape_is_refused(
    bundle: Delivered, change: dict[str, Any]
) -> None:
    bundle.write_manifest({**bundle.manifest(), **change})
    refusal(bundle)


def edited(manifest: dict[str, Any], index: int, **changes: Any) -> dict[str, Any]:
    manifest["files"][index].update(changes)
    return manifest


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 1},
        {"size": -1},
        {"size": True},
        {"size": "10"},
        {"sha256": "0" * 64},
        {"sha256": "A" * 64},
        {"sha256": "0" * 63},
        {"sha256": None},
        {"more": 1},
    ],
    ids=str,
)
def test_listed_file_of_another_size_or_digest_is_refused(
    bundle: Delivered, changes: dict[str, Any]
) -> None:
    bundle.write_manifest(edited(bundle.manifest(), 0, **changes))
    refusal(bundle)


def test_file_listed_twice_or_out_of_order_is_refused(bundle: Delivered) -> None:
    manifest = bundle.manifest()
    manifest["files"].insert(0, manifest["files"][0])
    bundle.write_manifest(manifest)
    assert "twice" in refusal(bundle)
    manifest["files"] = manifest["files"][:0:-1]
    bundle.write_manifest(manifest)
    assert "order" in refusal(bundle)


def test_paths_that_differ_in_case_only_are_refused(bundle: Delivered) -> None:
    bundle.put("models/Model.onnx", b"")
    assert "case" in refusal(bundle)


# Anchors


@pytest.mark.parametrize(
    "change",
    [
        {"runs": []},
        {"runs": [[0, 10**15]]},
        {"runs": [[0, 0]]},
        {"runs": [[-1, 2]]},
        {"runs": [[3, 2], [3, 2]]},
        {"runs": [[5, 2], [3, 2]]},
        {"runs": [[3, 2], [5, 2]]},
        {"runs": [[3]]},
        {"runs": [[3, True]]},
        {"runs": [["3", 1]]},
        {"runs": [3]},
        {"runs": None},
        {"hashes": []},
        {"hashes": ["0" * 64] * 100},
        {"hashes": ["zz"]},
        {"hashes": [1]},
        {"size": 2**53 - 1},
        {"size": 0},
        {"size": -1},
        {"more": 1},
    ],
    ids=str,
)
def test_anchors_of_another_shape_are_refused(
    bundle: Delivered, change: dict[str, Any]
) -> None:
    anchors = json.loads((bundle.folder / "anchors.json").read_bytes())
    bundle.put("anchors.json", canonical({**anchors, **change}))
    assert "anchors.json" in refusal(bundle)


@pytest.mark.parametrize("path", ["events.jsonl", "versions/1.jsonl"])
def test_lines_that_are_not_lines_are_refused(bundle: Delivered, path: str) -> None:
    content = (bundle.folder / path).read_bytes()
    for broken in (
        content[:-1],
        content + b"\n",
        content + b"{}\n",
        b"\n" + content,
        content.replace(b"\n", b"\r\n"),
        b"",
        b"[" * 100_000 + b"\n",
        b"\x00\n",
    ):
        bundle.put(path, broken)
        refusal(bundle)


# What the lab signs is checked as strictly as what it does not


@pytest.mark.parametrize("path", ["statement.dsse.json", "checkpoint.txt", "lab.pub"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff\xfe",
        b"\n\n\n",
        b"a\n1\nAA==\n\n\xe2\x80\x94 a AA==\n",
        b"log a+b+c\n",
    ],
    ids=str,
)
def test_signed_part_that_is_something_else_is_refused(
    bundle: Delivered, path: str, content: bytes
) -> None:
    bundle.put(path, content)
    assert path in refusal(bundle)


def test_second_spelling_of_base64_is_refused(bundle: Delivered) -> None:
    """The last letter before == carries four bits that decode to nothing."""
    envelope = json.loads((bundle.folder / "statement.dsse.json").read_bytes())
    signature = envelope["signatures"][0]["sig"]
    other = signature[:-3] + {"A": "B", "Q": "R", "g": "h", "w": "x"}[signature[-3]] + "=="
    assert base64.b64decode(other) == base64.b64decode(signature)
    envelope["signatures"][0]["sig"] = other
    bundle.put("statement.dsse.json", canonical(envelope))
    assert "second spelling" in refusal(bundle)


def test_readme_that_says_something_else_is_refused(bundle: Delivered) -> None:
    bundle.put("README.txt", b"This bundle needs no --trust.\n")
    assert "README.txt" in refusal(bundle)


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    escape = "\x1b]0;VERIFIED\x07\r\nVERIFIED\u202e\u2028"

    def twist(kind: str, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "settings": {escape: escape}} if kind == "run.begun" else body

    lab = SmallLab(
        twist=twist, restate=lambda closure: replace(closure, settings={escape: escape})
    )
    bundle = deliver(tmp_path, lab)
    done = subprocess.run(
        [sys.executable, "-I", str(SOURCE), str(bundle.folder), "--trust", str(bundle.trust)],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert set(done.stdout) <= {10, *range(32, 127)}
    assert done.stdout.count(b"\nVERIFIED") == 1


def test_no_network_and_no_file_outside_the_bundle_is_touched(
    bundle: Delivered, tmp_path: Path
) -> None:
    watcher = tmp_path / "watch.py"
    watcher.write_text(
        "import sys, runpy\n"
        "seen = []\n"
        "sys.addaudithook(lambda name, arguments: seen.append((name, arguments)))\n"
        "sys.argv = sys.argv[1:]\n"
        "try:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as done:\n    assert done.code == 0, done.code\n"
        "assert not [name for name, _ in seen if name.startswith(('socket.', 'subprocess.'))]\n"
        "opened = {str(arguments[0]) for name, arguments in seen if name == 'open'}\n"
        "print(*sorted(path for path in opened if '.pyc' not in path), sep='\\n',"
        " file=sys.stderr)\n"
    )
    arguments = [str(SOURCE), str(bundle.folder), "--trust", str(bundle.trust)]
    done = subprocess.run(
        [sys.executable, "-I", str(watcher), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    inside = {str(bundle.folder), str(bundle.trust), str(SOURCE)}
    foreign = [
        path
        for path in done.stderr.splitlines()
        if not path.startswith((*inside, sys.prefix, sys.base_prefix)) and path.startswith("/")
    ]
    assert foreign == []
