"""Makes a small GPT-2, offline: learns the bytes of one text until it can continue it.

Two calls on one machine write the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

SEED = 7
END = "<|endoftext|>"
WINDOW = 64


def tokenizer_of(text: str) -> PreTrainedTokenizerFast:
    """Byte pairs, as GPT-2 has them."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=512, special_tokens=[END], show_progress=False)
    made.train_from_iterator([text], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=END, bos_token=END, model_max_length=WINDOW * 2
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("text", type=Path, help="such as a licence: anything but patient data")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=150)
    given = parser.parse_args()

    text = " ".join(given.text.read_text(encoding="utf-8").split())
    tokenizer = tokenizer_of(text)
    ids = torch.tensor(tokenizer(text, truncation=False, verbose=False)["input_ids"])
    torch.manual_seed(SEED)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer), n_positions=WINDOW * 2, n_embd=64, n_layer=2, n_head=4,
            bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        )
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(given.steps):
        starts = torch.randint(len(ids) - WINDOW, (16,)).tolist()
        batch = torch.stack([ids[start : start + WINDOW] for start in starts])
        loss = model(batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
    model.save_pretrained(given.folder)
    tokenizer.save_pretrained(given.folder)
    print(f"{model.num_parameters()} weights, loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
