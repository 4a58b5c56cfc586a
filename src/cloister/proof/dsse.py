"""DSSE envelopes: a payload, its type and exactly one signature over both.

Source: the Dead Simple Signing Envelope protocol 1.0 (secure-systems-lab/dsse). Ours are
narrower: canonical JSON, one signature, and a ``keyid`` that names the key in full, so that an
envelope has one spelling.
"""

from __future__ import annotations

from cloister.core.canonical import canonical
from cloister.core.encoding import to_bytes, to_text
from cloister.core.errors import BadInput, NotVerified
from cloister.core.signing import PublicKey, Signer, Verifier
from cloister.proof.documents import Fields, read_document

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is really signed.

    The lengths and the leading word keep it apart from a checkpoint and from any other message.
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_id(key: PublicKey) -> str:
    """How an envelope names its key: the verifier key without its base64 part."""
    return f"{key.name}+{key.key_hash.hex()}"


def sign_envelope(payload: bytes, signer: Signer) -> bytes:
    """``payload`` as an in-toto document inside a signed envelope; raises KeysUnavailable."""
    signature = signer.sign(pae(PAYLOAD_TYPE, payload))
    return canonical(
        {
            "payload": to_text(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [
                {
                    "keyid": key_id(signer.public_key),
                    "sig": to_text(signature),
                }
            ],
        }
    )


def open_envelope(envelope: bytes, key: PublicKey, verify: Verifier) -> bytes:
    """The payload that ``key`` signed; raises NotVerified for anything else."""
    outer = read_document(envelope, "the envelope")
    fields = Fields(outer, "the envelope")
    signatures = fields.parts("signatures")
    if set(outer) != {"payload", "payloadType", "signatures"} or len(signatures) != 1:
        raise NotVerified("the envelope does not hold one payload and one signature")
    if fields.text("payloadType") != PAYLOAD_TYPE:
        raise NotVerified("the envelope does not hold an in-toto document")
    if signatures[0].text("keyid") != key_id(key):
        raise NotVerified(f"the envelope is not signed by {key_id(key)}")
    payload = _decode(fields.text("payload"))
    verify(key, pae(PAYLOAD_TYPE, payload), _decode(signatures[0].text("sig")))
    return payload


def _decode(text: str) -> bytes:
    try:
        data = to_bytes(text)
    except BadInput as error:
        raise NotVerified("the envelope: not base64") from error
    if to_text(data) != text:  # spare bits in the last letter
        raise NotVerified("the envelope: base64 with a second spelling")
    return data
