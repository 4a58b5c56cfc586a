"""Fine-tunes a small DistilBERT to find contracts that can be re-entered.

An ordinary Transformers script. A re-entrant contract pays out before it notes that it did, so
the receiver calls again and is paid again. Every family of near-copies is on one side of each
split; with five splits each contract is judged once, by a model that saw none of its family.
Two baselines are judged alike: a rule (money is sent with ``.call.value``) and logistic
regression over TF-IDF. Figures come with a 95 % interval from a bootstrap over families.
"""

from __future__ import annotations

import argparse
import json
import re
from bisect import bisect
from collections import defaultdict
from pathlib import Path

import mlflow
import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score
from sklearn.pipeline import make_pipeline
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Trainer,
    TrainingArguments,
    set_seed,
)

SEED = 7
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_SENDS = re.compile(r"\.\s*(?:call|send|transfer)\s*[.(]")
_NAME = re.compile(r"\b(?:contract|library|interface)\s+(\w+)")


def read(folder: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Texts, labels (1 for re-entrant) and families."""
    files = sorted(folder.rglob("*.sol"))
    texts = [plain(path.read_text(encoding="utf-8")) for path in files]
    labels = np.array([int(path.parent.name == "reentrant") for path in files])
    families = np.array([path.parent.parent.name for path in files])
    return texts, labels, families


def plain(text: str) -> str:
    """Without what tells the answer: comments mark the bugs, names of contracts name them."""
    text = _COMMENT.sub(" ", text)
    for name in set(_NAME.findall(text)):
        text = re.sub(rf"\b{name}\b", "Subject", text)
    return re.sub(r"\s+", " ", text)


def deal(labels: np.ndarray, families: np.ndarray, folds: int) -> np.ndarray:
    """For each contract its fold: whole families, the largest first, evenly by label."""
    members = defaultdict(list)
    for place, family in enumerate(families):
        members[family].append(place)
    filled = np.zeros((folds, 2))
    dealt = np.zeros(len(labels), dtype=int)
    for family in sorted(members, key=lambda name: (-len(members[name]), name)):
        inside = members[family]
        kind = int(labels[inside].any())
        fold = min(range(folds), key=lambda one: (filled[one, kind], filled[one].sum(), one))
        filled[fold, kind] += len(inside)
        dealt[inside] = fold
    return dealt


class Contracts(torch.utils.data.Dataset):
    """The places where a contract sends money, each with the tokens around it."""

    def __init__(self, texts, labels, tokenizer, length: int) -> None:
        self.rows, self.of = [], []
        first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
        for place, (text, label) in enumerate(zip(texts, labels, strict=True)):
            cut = tokenizer(
                text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
            )
            starts = [start for start, _ in cut["offset_mapping"]]
            inside = length - 2
            for sent in [found.start() for found in _SENDS.finditer(text)][:8] or [0]:
                at = max(0, bisect(starts, sent) - inside // 2)
                ids = [first, *cut["input_ids"][at : at + inside], last]
                empty = [0] * (length - len(ids))
                row = {"input_ids": ids + empty, "attention_mask": [1] * len(ids) + empty}
                self.rows.append(row | {"labels": int(label)})
                self.of.append(place)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict:
        return self.rows[place]


class Weighed(Trainer):
    """The rarer class counts for more."""

    weights = torch.ones(2)

    def compute_loss(self, model, inputs, return_outputs=False, **_):
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        loss = torch.nn.functional.cross_entropy(outputs.logits, labels, self.weights)
        return (loss, outputs) if return_outputs else loss


def fine_tune(options, texts, labels, fold: int, training: np.ndarray) -> np.ndarray:
    """How re-entrant contracts outside ``training`` look to a model that learned inside."""
    set_seed(SEED)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForSequenceClassification.from_pretrained(options.model, num_labels=2)

    def windows(chosen: np.ndarray) -> Contracts:
        return Contracts([texts[i] for i in chosen], labels[chosen], tokenizer, options.length)

    inside, outside = np.flatnonzero(training), np.flatnonzero(~training)
    arguments = TrainingArguments(
        output_dir=f"checkpoints/{fold}", run_name=f"fold {fold}", seed=SEED,
        num_train_epochs=options.epochs, learning_rate=options.rate,
        per_device_train_batch_size=16, per_device_eval_batch_size=32,
        logging_steps=10, save_strategy="no", report_to="mlflow", disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
    )  # fmt: skip
    trainer = Weighed(model=model, args=arguments, train_dataset=windows(inside))
    positive = labels[inside].mean()
    trainer.weights = torch.tensor([1 / (1 - positive), 1 / positive]).float() / 2
    with mlflow.start_run(run_name=f"fold {fold}", nested=True):
        trainer.train()
        asked = windows(outside)
        logits = trainer.predict(asked).predictions
    if fold == 0:
        trainer.save_model("model")
        tokenizer.save_pretrained("model")
    likely = torch.softmax(torch.tensor(logits), -1)[:, 1].numpy()
    looks = np.zeros(len(outside))
    np.maximum.at(looks, asked.of, likely)  # as re-entrant as the worst of its places
    return looks


def judge(truth: np.ndarray, scores: np.ndarray, families: np.ndarray) -> dict[str, float]:
    """F1 at one half and average precision, each with an interval over families."""
    names = np.unique(families)
    members = [np.flatnonzero(families == name) for name in names]
    draw = np.random.default_rng(SEED)
    drawn = []
    for _ in range(1000):
        chosen = draw.integers(len(names), size=len(names))
        rows = np.concatenate([members[one] for one in chosen])
        if 0 < truth[rows].sum() < len(rows):
            drawn.append(figures(truth[rows], scores[rows]))
    found = {}
    for place, name in enumerate(("f1", "average_precision")):
        low, high = np.quantile([one[place] for one in drawn], [0.025, 0.975])
        found |= {name: figures(truth, scores)[place], f"{name}_low": low, f"{name}_high": high}
    return {name: round(float(value), 4) for name, value in found.items()}


def figures(truth: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    return f1_score(truth, scores >= 0.5), average_precision_score(truth, scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that data.py wrote")
    parser.add_argument("--model", default="lab/solidity-distilbert")
    parser.add_argument("--epochs", type=float, default=6)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--length", type=int, default=128)
    options = parser.parse_args()

    texts, labels, families = read(options.data)
    folds = deal(labels, families, options.folds)
    scores = {name: np.zeros(len(labels)) for name in ("distilbert", "tfidf", "rule")}
    scores["rule"] = np.array([float(".call.value" in text) for text in texts])
    mlflow.set_experiment("reentrancy")
    with mlflow.start_run(run_name="folds by family"):
        mlflow.log_params(vars(options) | {"contracts": len(texts)})
        for fold in range(options.folds):
            training = folds != fold
            words = make_pipeline(
                TfidfVectorizer(token_pattern=r"\w+|[^\s\w]", ngram_range=(1, 3), min_df=2),
                LogisticRegression(class_weight="balanced", max_iter=1000),
            )
            words.fit([texts[i] for i in np.flatnonzero(training)], labels[training])
            outside = [texts[i] for i in np.flatnonzero(~training)]
            scores["tfidf"][~training] = words.predict_proba(outside)[:, 1]
            scores["distilbert"][~training] = fine_tune(options, texts, labels, fold, training)
        judged = {name: judge(labels, each, families) for name, each in scores.items()}
        for name, found in judged.items():
            mlflow.log_metrics({f"{name}_{what}": value for what, value in found.items()})
    Path("metrics.json").write_text(json.dumps(judged, indent=2) + "\n")
    print(f"{len(texts)} contracts, {labels.sum()} re-entrant, {len(set(families))} families")
    for name, found in judged.items():
        print(
            f"{name:10}  F1 {found['f1']:.2f} [{found['f1_low']:.2f}, {found['f1_high']:.2f}]"
            f"  average precision {found['average_precision']:.2f}"
            f" [{found['average_precision_low']:.2f}, {found['average_precision_high']:.2f}]"
        )


if __name__ == "__main__":
    main()
