"""Each mutation still finds what it takes away, and the test that has to notice."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from tools.mutants import Mutation, load

ROOT = Path(__file__).resolve().parent.parent
MUTATIONS = load()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: f"{one.claim}: {one.name}")
def test_a_mutation_breaks_one_place_that_a_test_watches(mutation: Mutation) -> None:
    whole = (ROOT / mutation.file).read_text()
    assert whole.count(mutation.find) == 1
    assert mutation.find != mutation.replace
    if mutation.file.endswith(".py"):
        ast.parse(whole.replace(mutation.find, mutation.replace))  # it runs, and does wrong
    path, *names = mutation.test.partition("[")[0].split("::")
    watching = (ROOT / path).read_text()
    for name in names:
        assert re.search(rf"\b(def|class) {name}\b", watching), f"{path} has no {name}"


def test_no_mutation_is_written_twice() -> None:
    names = Counter((one.claim, one.name) for one in MUTATIONS)
    assert [name for name, count in names.items() if count > 1] == []
