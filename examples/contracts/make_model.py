"""Makes a small DistilBERT for source code, offline: a tokenizer, a configuration, weights.

The tokenizer learns its vocabulary from the contracts given; the weights are drawn with a
fixed seed, and with ``--steps`` learn to guess hidden tokens of the same texts, labels unseen.
Two calls on one machine write the same bytes.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import DistilBertConfig, DistilBertForMaskedLM, PreTrainedTokenizerFast

SEED = 7
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def tokenizer_of(texts: list[str], words: int) -> PreTrainedTokenizerFast:
    """Byte pairs of the texts."""
    made = Tokenizer(models.BPE(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=words, special_tokens=SPECIAL, show_progress=False)
    made.train_from_iterator(texts, trainer)
    ends = [(name, made.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=ends
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=512, unk_token="[UNK]", pad_token="[PAD]",
        cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]",
    )  # fmt: skip


def guess_hidden_tokens(
    model: DistilBertForMaskedLM,
    tokenizer: PreTrainedTokenizerFast,
    texts: list[str],
    steps: int,
) -> None:
    """Masked language modelling over random windows of the texts."""
    rows = [torch.tensor(tokenizer(text)["input_ids"]) for text in texts]
    rows = [row for row in rows if len(row) > 16]
    draw = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    mask = tokenizer.mask_token_id
    for step in range(steps):
        picked = torch.randint(len(rows), (16,), generator=draw).tolist()
        batch = torch.full((16, 128), tokenizer.pad_token_id)
        for at, one in enumerate(picked):
            row = rows[one]
            start = int(torch.randint(max(1, len(row) - 127), (1,), generator=draw))
            window = row[start : start + 128]
            batch[at, : len(window)] = window
        real = batch != tokenizer.pad_token_id
        hidden = real & (torch.rand(batch.shape, generator=draw) < 0.15)
        labels = torch.where(hidden, batch, -100)
        loss = model(torch.where(hidden, mask, batch), real.long(), labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("contracts", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--words", type=int, default=1000)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=0)
    given = parser.parse_args()

    files = sorted(given.contracts.rglob("*.sol"))
    texts = [_COMMENT.sub(" ", path.read_text(encoding="utf-8")) for path in files]
    tokenizer = tokenizer_of(texts, given.words)
    torch.manual_seed(SEED)
    model = DistilBertForMaskedLM(
        DistilBertConfig(
            vocab_size=len(tokenizer), dim=given.dim, hidden_dim=2 * given.dim,
            n_layers=given.layers, n_heads=4, max_position_embeddings=512,
            pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip
    guess_hidden_tokens(model, tokenizer, texts, given.steps)
    model.save_pretrained(given.folder)
    tokenizer.save_pretrained(given.folder)
    print(f"{model.num_parameters()} weights, {len(tokenizer)} tokens")


if __name__ == "__main__":
    main()
