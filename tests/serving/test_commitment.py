from __future__ import annotations

import hashlib
import pathlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.commitment import commit_to
from cloister.serving.commitment import canonical_tensors
from cloister.serving.datatypes import DATATYPES
from cloister.serving.tensors import Tensor
from cloister.testing.inference import AppClient, MemoryRecorder

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "prediction-commitment-v1.hex"
INFER = "/v2/models/risk/infer"


def _tensor(name: str, dtype: str, values: object) -> Tensor:
    datatype = DATATYPES[dtype]
    return Tensor(name, datatype, np.array(values, dtype=datatype.numpy))


def test_the_bytes_are_those_of_version_1() -> None:
    tensors = [
        _tensor("words", "string", ["Ärzte", ""]),
        _tensor("flags", "bool", [[True], [False]]),
        _tensor("age", "float32", [59.0]),
        _tensor("none", "int64", np.zeros((0, 2))),
    ]
    assert canonical_tensors(tensors).hex() == GOLDEN.read_text().replace("\n", "")


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=4))
def test_other_values_give_other_bytes(values: list[float]) -> None:
    plain = canonical_tensors([_tensor("a", "float32", values)])
    assert plain != canonical_tensors([_tensor("b", "float32", values)])
    assert plain != canonical_tensors([_tensor("a", "float32", [*values, 0.0])])
    assert plain != canonical_tensors([_tensor("a", "float32", [values])])
    assert plain != canonical_tensors([_tensor("a", "int32", [0] * len(values))])


def test_order_does_not_matter() -> None:
    a, b = _tensor("a", "int8", [1]), _tensor("b", "int8", [2])
    assert canonical_tensors([a, b]) == canonical_tensors([b, a])


def _request(data: list[float]) -> dict[str, Any]:
    return {"inputs": [{"name": "X", "shape": [1, 3], "datatype": "FP32", "data": data}]}


def test_the_record_binds_question_and_answer(
    client: AppClient, recorder: MemoryRecorder
) -> None:
    client.post(INFER, json=_request([2, 1, 3]))
    (facts,) = recorder.facts
    question = canonical_tensors([_tensor("X", "float32", [[2, 1, 3]])])
    answer = canonical_tensors([_tensor("Y", "float32", [[11]])])
    assert facts.question.plaintext_sha256 == hashlib.sha256(question).digest()
    assert facts.answer.plaintext_sha256 == hashlib.sha256(answer).digest()
    again = commit_to(answer, lambda size: facts.answer.salt[:size])
    assert facts.answer.commitment() == again.commitment()


def test_the_same_question_twice_leaves_unlike_commitments(
    client: AppClient, recorder: MemoryRecorder
) -> None:
    for _ in range(2):
        client.post(INFER, json=_request([2, 1, 3]))
    one, two = recorder.facts
    marks = {f.commitment() for f in (one.question, two.question, one.answer, two.answer)}
    assert len(marks) == 4
    assert one.question.salt.hex() not in repr(one)


@pytest.mark.parametrize("nested", [True, False])
def test_how_it_travelled_does_not_matter(
    client: AppClient, recorder: MemoryRecorder, nested: bool
) -> None:
    client.post(INFER, json=_request([[2, 1, 3]] if nested else [2.0, 1.0, 3.0]))  # type: ignore[list-item]
    question = canonical_tensors([_tensor("X", "float32", [[2, 1, 3]])])
    assert recorder.facts[0].question.plaintext_sha256 == hashlib.sha256(question).digest()
