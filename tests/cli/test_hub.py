"""`cloister hub`, as typed: a fine-tuning script finds its model offline, unedited."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.test_export import verified
from tests.conftest import Shell, add_scans, new_lab

MAKE = """
import sys
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import DistilBertConfig, DistilBertModel, PreTrainedTokenizerFast

torch.manual_seed(0)
made = Tokenizer(models.WordLevel(unk_token="[UNK]"))
made.pre_tokenizer = pre_tokenizers.Whitespace()
special = ["[PAD]", "[UNK]"]
lines = ["the scan shows a fracture", "the scan shows no fracture"]
made.train_from_iterator(lines, trainers.WordLevelTrainer(special_tokens=special))
fast = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]")
fast.save_pretrained(sys.argv[1])
config = DistilBertConfig(vocab_size=32, dim=16, hidden_dim=32, n_layers=1, n_heads=2,
                          max_position_embeddings=32)
DistilBertModel(config).save_pretrained(sys.argv[1])
"""
FINE_TUNE = """
import numpy, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

name = "ward/tiny-bert"
tokenizer = AutoTokenizer.from_pretrained(name)
model = AutoModelForSequenceClassification.from_pretrained(name, num_labels=2)
texts = ["the scan shows a fracture", "the scan shows no fracture"] * 4
asked = tokenizer(texts, padding="max_length", max_length=8, return_tensors="pt")
ids, mask = asked["input_ids"], asked["attention_mask"]
labels = torch.tensor([1, 0] * 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    optimizer.zero_grad()
    model(ids, mask, labels=labels).loss.backward()
    optimizer.step()
model.eval().save_pretrained("out")
numpy.savez("rows.npz", input_ids=ids.numpy(), attention_mask=mask.numpy())
print("fine-tuned")
"""


Tuned = tuple[Shell, dict[str, Any]]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny DistilBERT made from a configuration, with a tokenizer trained on two lines."""
    folder = tmp_path_factory.mktemp("made") / "tiny-bert"
    subprocess.run(
        [sys.executable, "-c", MAKE, str(folder)], check=True, capture_output=True, timeout=120
    )
    return folder


@pytest.fixture(scope="module")
def tuned(snapshot: Path) -> Iterator[Tuned]:
    """A lab with the model in its hub and a run that fine-tuned it."""
    with new_lab() as shell:
        add_scans(shell)
        named = ("--name", "ward/tiny-bert", "--license", "apache-2.0")
        shell("hub", "add", str(snapshot), *named)
        (shell.folder / "tune.py").write_text(FINE_TUNE)
        done = shell("--json", "run", "--", "python", "tune.py", "scans")
        assert "fine-tuned" in done.stderr
        yield shell, json.loads(done.stdout)


def test_a_fine_tuning_script_runs_unedited_and_offline(tuned: Tuned) -> None:
    _, done = tuned
    assert [one["name"] for one in done["hub"]] == ["ward/tiny-bert"]
    assert done["network_attempts"] == 0
    assert "out/model.safetensors" in done["outputs"]


def test_what_was_fine_tuned_is_exported_with_its_pretrained_model_in_the_statement(
    tuned: Tuned,
) -> None:
    shell, run = tuned[0], tuned[1]["run"]
    words = ("--file", "out/model.safetensors", "--rows", "rows.npz")
    made = shell.json("export", run, *words)
    assert (made["rows"], made["held_out"]) == (8, True)
    said = verified(shell, made["run"])
    assert "ward/tiny-bert  apache-2.0" in said
    assert "transformers by torch.onnx" in said
    assert shell.json("audit")["whole"]


def test_a_model_is_given_only_to_what_names_it(tuned: Tuned) -> None:
    shell, _ = tuned
    look = "import os; p = os.environ.get('HF_HUB_CACHE'); print(p and os.listdir(p))"
    (shell.folder / "elsewhere").mkdir(exist_ok=True)
    other = ("--workdir", "elsewhere")
    assert shell("run", *other, "--", "python", "-c", look).stdout == "None\n"
    chosen = shell("run", *other, "--hub", "ward/tiny-bert", "--", "python", "-c", look)
    assert chosen.stdout == "['models--ward--tiny-bert']\n"
    assert "ward/tiny-bert (apache-2.0)" in chosen.stderr
    argument = ("--", "python", "-c", look, "--model=ward/tiny-bert")
    assert "tiny-bert" in shell("run", *other, *argument).stdout
    assert shell("run", "--no-hub", "--", "python", "-c", look).stdout == "None\n"
    assert "E101" in shell("run", "--hub", "no/such", "--", "true", status=2).stderr


def test_a_job_cannot_change_a_model_of_the_hub(tuned: Tuned) -> None:
    shell, _ = tuned
    words = ("--hub", "ward/tiny-bert", "--", "sh", "-c", "touch $HF_HUB_CACHE/x")
    assert "Read-only" in shell("run", *words, status=1).stderr


def test_what_runs_were_given_outlives_the_hub(lab: Shell, snapshot: Path) -> None:
    added = lab.json("hub", "add", str(snapshot), "--license", "mit")
    assert added["name"] == "tiny-bert"
    assert lab.json("hub", "ls")[0]["sha256"] == added["sha256"]
    assert "E102" in lab("hub", "add", str(snapshot), "--license", "mit", status=2).stderr
    lab("run", "--hub", "tiny-bert", "--", "true")
    lab("hub", "rm", "tiny-bert")
    assert lab.json("hub", "ls") == []
    again = lab.json("hub", "add", str(snapshot), "--license", "mit")
    assert again["sha256"] == added["sha256"]
    assert lab.json("run", "--hub", "tiny-bert", "--", "true")["hub"] == [
        {"name": "tiny-bert", "sha256": added["sha256"]}
    ]
    assert lab.json("audit")["whole"]
    assert lab("doctor", "--scrub", status=None).returncode in (0, 6)


def small(folder: Path, **files: bytes) -> Path:
    """A snapshot of a configuration and whatever else."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text("{}")
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return folder


def weights(**tensors: Any) -> bytes:
    """A safetensors file."""
    from safetensors.numpy import save

    return save({name: np.zeros(3, dtype=np.float32) for name in tensors} or {})


def test_what_is_not_needed_can_be_left_out(lab: Shell) -> None:
    folder = small(
        lab.folder / "m", pytorch_model__bin=b"\x80\x02.", model__safetensors=weights()
    )
    refused = lab("hub", "add", "m", "--license", "mit", status=2)
    assert "--without '*.bin'" in refused.stderr
    assert folder.is_dir()
    added = lab.json("hub", "add", "m", "--license", "mit", "--without", "*.bin")
    paths = [one["path"] for one in added["files"]]
    assert paths == ["config.json", "model.safetensors"]


def test_python_is_kept_only_when_it_is_asked_for(lab: Shell) -> None:
    small(lab.folder / "m", modeling__py=b"print()")
    assert "--allow-code" in lab("hub", "add", "m", "--license", "mit", status=2).stderr
    assert lab.json("hub", "add", "m", "--license", "mit", "--allow-code")["code"]


def test_the_bytes_of_removed_models_are_discarded_unless_shared(lab: Shell) -> None:
    for name in ("a", "b"):
        small(lab.folder / name, notes__txt=name.encode())
        lab("hub", "add", name, "--license", "mit")
    lab("hub", "rm", "a")
    placed = {name for (name,) in lab.sql("SELECT name FROM placement")}
    kept = {one["sha256"] for one in lab.json("hub", "ls")[0]["files"]}
    assert kept <= placed
    assert hashlib.sha256(b"a").hexdigest() not in placed
