"""Verifier keys in C2SP signed-note form, against the example of Go's note package."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from cloister.core.errors import BadInput
from cloister.core.signing import PublicKey

# https://pkg.go.dev/golang.org/x/mod/sumdb/note#Open
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZ"
    "SNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)


def test_the_key_of_the_go_documentation_checks_its_note() -> None:
    key = PublicKey.parse(GO_KEY)
    signature = base64.b64decode(GO_SIGNATURE)
    assert (key.name, signature[:4]) == ("PeterNeumann", key.key_hash)
    Ed25519PublicKey.from_public_bytes(key.raw).verify(signature[4:], GO_TEXT.encode())
    assert key.text() == GO_KEY


@given(st.text("abc/._-", min_size=1), st.binary(min_size=32, max_size=32))
def test_a_key_reads_back(name: str, raw: bytes) -> None:
    key = PublicKey(name, raw)
    assert PublicKey.parse(key.text()) == PublicKey.parse(f"  {key.text()}\n") == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+c74f20a3",
        GO_KEY.replace("Peter", "Paul"),
        GO_KEY.replace("c74f20a3", "c74f20a4"),
        GO_KEY.replace("ARpc", "ARpd"),
        GO_KEY.replace("ARpc", "Appc"),
        GO_KEY[:-4],
        GO_KEY + "!",
    ],
)
def test_a_key_whose_parts_disagree_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        PublicKey.parse(text)
