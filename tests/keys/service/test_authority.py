"""An ordinary TLS client that trusts the lab's CA accepts its servers, and no other does."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloister.core.errors import BadInput
from cloister.keys.service.authority import as_pem, issue, new_authority
from cloister.keys.values import Certificate

NOW = datetime.now(UTC)
CA, CA_KEY = new_authority("lab_test", NOW)


def shake_hands(tmp_path: Path, issued: Certificate, ca_pem: bytes, name: str) -> str | None:
    """The TLS version agreed on by Python's default client; raises what it raises."""
    (tmp_path / "chain.pem").write_bytes(issued.chain_pem)
    (tmp_path / "key.pem").write_bytes(issued.key_pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as stream:
                stream.recv(1)
        except OSError:
            pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client = ssl.create_default_context(cadata=ca_pem.decode())
        client.verify_flags |= ssl.VERIFY_X509_STRICT
        with client.wrap_socket(ours, server_hostname=name) as stream:
            stream.sendall(b"x")
            return stream.version()
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "models.ward3.example"])
def test_client_that_trusts_the_ca_connects(tmp_path: Path, name: str) -> None:
    names = ["localhost", "127.0.0.1", "::1", "models.ward3.example"]
    issued = issue(CA, CA_KEY, names, 30, NOW)
    assert shake_hands(tmp_path, issued, as_pem(CA), name) == "TLSv1.3"


def test_client_refuses_a_name_the_certificate_does_not_hold(tmp_path: Path) -> None:
    issued = issue(CA, CA_KEY, ["localhost"], 30, NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tmp_path, issued, as_pem(CA), "elsewhere.example")


def test_client_refuses_another_labs_certificate(tmp_path: Path) -> None:
    issued = issue(*new_authority("lab_other", NOW), ["localhost"], 30, NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tmp_path, issued, as_pem(CA), "localhost")


def test_server_certificate_cannot_sign_another(tmp_path: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    first = issue(CA, CA_KEY, ["localhost"], 30, NOW)
    leaf = x509.load_pem_x509_certificate(first.chain_pem)
    leaf_key = load_pem_private_key(first.key_pem, None)
    der = leaf_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    forged = issue(leaf.public_bytes(Encoding.DER), der, ["localhost"], 30, NOW)
    chain = Certificate(forged.chain_pem + first.chain_pem, forged.key_pem)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tmp_path, chain, as_pem(CA), "localhost")


@pytest.mark.parametrize(
    ("names", "days"), [([], 30), (["localhost"], 0), (["localhost"], 826)]
)
def test_senseless_certificates_are_refused(names: list[str], days: int) -> None:
    with pytest.raises(BadInput):
        issue(CA, CA_KEY, names, days, NOW)


def test_name_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput):
        issue(CA, CA_KEY, ["müller.example"], 30, NOW)
