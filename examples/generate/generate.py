"""Continues a text at several temperatures, as the Transformers documentation shows it.

An ordinary script: ``from_pretrained``, ``generate(do_sample=True, temperature=...)``. The
higher the temperature, the flatter the distribution that tokens are drawn from, and the fewer
of them stand twice: the share of distinct pairs of tokens is logged beside each text.
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import mlflow
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

SEED = 7


def distinct(tokens: list[int]) -> float:
    """The share of pairs of neighbours that stand once."""
    pairs = list(pairwise(tokens))
    return len(set(pairs)) / max(1, len(pairs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="lab/tiny-gpt2")
    parser.add_argument("--prompt", default="Subject to the terms and conditions of")
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.3, 0.7, 1.0, 1.5])
    parser.add_argument("--tokens", type=int, default=48)
    options = parser.parse_args()

    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForCausalLM.from_pretrained(options.model)
    inputs = tokenizer(options.prompt, return_tensors="pt")
    mlflow.set_experiment("generation")
    for temperature in options.temperatures:
        set_seed(SEED)
        with mlflow.start_run(run_name=f"temperature {temperature}"):
            made = model.generate(
                **inputs, do_sample=True, temperature=temperature, top_k=0,
                max_new_tokens=options.tokens, pad_token_id=tokenizer.eos_token_id,
            )  # fmt: skip
            new = made[0, inputs["input_ids"].shape[1] :].tolist()
            text = tokenizer.decode(made[0], skip_special_tokens=True)
            mlflow.log_params({"temperature": temperature, "seed": SEED, "top_k": 0})
            mlflow.log_metrics({"tokens": len(new), "distinct_pairs": distinct(new)})
            mlflow.log_text(text, "text.txt")
        print(f"[{temperature}] {text}")


if __name__ == "__main__":
    main()
