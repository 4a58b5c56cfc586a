"""The lab's certificate authority: P-256, which every ordinary TLS client accepts."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloister.core.errors import BadInput
from cloister.keys.values import Certificate

_CA_YEARS = 20
_LONGEST_DAYS = 825  # what clients accept of a server certificate under a private authority
_SKEW = timedelta(minutes=5)


def new_authority(lab: str, now: datetime) -> tuple[bytes, bytes]:
    """Certificate (DER) and private key (PKCS #8 DER) of a new authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Cloister lab {lab}")
    builder = _builder(name, name, key.public_key(), now, timedelta(days=365 * _CA_YEARS))
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, SHA256())
    )
    return certificate.public_bytes(Encoding.DER), _private(key, Encoding.DER)


def issue(
    ca_certificate: bytes, ca_key: bytes, names: Sequence[str], days: int, now: datetime
) -> Certificate:
    """A server certificate for host names and IP addresses; raises BadInput."""
    if not names or not 1 <= days <= _LONGEST_DAYS:
        raise BadInput(f"certificate: expected a name, and 1 to {_LONGEST_DAYS} days")
    authority = x509.load_der_x509_certificate(ca_certificate)
    signer = load_der_private_key(ca_key, None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    certificate = (
        _builder(authority.subject, _name(names[0]), public, now, timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([_general(n) for n in names]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
        .sign(signer, SHA256())
    )
    chain = certificate.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM)
    return Certificate(chain, _private(key, Encoding.PEM))


def as_pem(certificate: bytes) -> bytes:
    """A DER certificate as PEM."""
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)


def _builder(
    issuer: x509.Name,
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + lifetime)
    )


def _name(common: str) -> x509.Name:
    # RFC 5280 upper bound of a common name; clients match the alternative names only.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise BadInput("certificate: not a host name or address") from error


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: ec.EllipticCurvePrivateKey, encoding: Encoding) -> bytes:
    return key.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
