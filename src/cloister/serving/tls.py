"""TLS for the door: version 1.3 only, the private key in memory only."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass, field

from cloister.core.errors import BadInput


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """What a server shows its clients."""

    certificate_pem: bytes
    """Its certificate, then any intermediates."""
    key_pem: bytes = field(repr=False)


def tls_context(identity: ServerIdentity) -> ssl.SSLContext:
    """A server context that speaks TLS 1.3 (RFC 8446) and nothing older."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # no resumption: no key that outlives a connection
    context.set_alpn_protocols(["http/1.1"])
    load_identity(context, identity)
    return context


def load_identity(context: ssl.SSLContext, identity: ServerIdentity) -> None:
    """Shows ``identity`` to whoever connects from now on; raises BadInput for a wrong pair."""
    # The ssl module reads names only, so the key gets one that is on no disk.
    descriptor = os.memfd_create("server-identity", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(identity.key_pem + b"\n" + identity.certificate_pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    except ssl.SSLError as error:
        raise BadInput("the server's certificate and key do not fit each other") from error
    finally:
        os.close(descriptor)
