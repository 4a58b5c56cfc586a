"""Claim: serving loads exactly the bytes that were signed, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.core.errors import NotVerified
from cloister.serving import LoadedModel, Served, VerifiedModel
from cloister.testing import onnx_models
from cloister.testing.inference import verified

SERVED = Served("m", "1")
SIGNED = verified(onnx_models.linear((0.5, -2.0, 4.0)))


def _as_signed(content: bytes) -> VerifiedModel:
    return VerifiedModel(content, SIGNED.sha256, SIGNED.statement_sha256)


def test_another_model_in_its_place_is_not_loaded() -> None:
    with pytest.raises(NotVerified, match="not the one that was signed"):
        LoadedModel.load(_as_signed(onnx_models.linear((0.5, -2.0, -4.0))), SERVED)


@settings(max_examples=50)
@given(st.integers(0, len(SIGNED.content) * 8 - 1))
def test_one_flipped_bit_is_enough(place: int) -> None:
    content = bytearray(SIGNED.content)
    content[place // 8] ^= 1 << place % 8
    with pytest.raises(NotVerified):
        LoadedModel.load(_as_signed(bytes(content)), SERVED)


@pytest.mark.parametrize("sha256", ["", "0" * 64, SIGNED.sha256.upper(), SIGNED.sha256[:-1]])
def test_a_statement_must_name_the_whole_digest(sha256: str) -> None:
    with pytest.raises(NotVerified):
        LoadedModel.load(VerifiedModel(SIGNED.content, sha256, "5" * 64), SERVED)


def test_bytes_are_not_inspected_before_they_are_verified() -> None:
    with pytest.raises(NotVerified):
        LoadedModel.load(_as_signed(b"\x80\x04not even a model"), SERVED)
