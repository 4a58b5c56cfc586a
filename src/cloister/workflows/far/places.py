"""Other machines by their addresses: ``ssh:...`` and ``ray:...``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from cloister.workflows.far.cluster import SCHEME, Cluster
from cloister.workflows.far.connection import Connection
from cloister.workflows.far.sealed import Line
from cloister.workflows.far.ssh import Address, SshLine

_LONGEST = 16 << 20
"""Of what a machine says of a job at once; what a job leaves comes in pieces."""


_OWN = ("HOME", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
"""Variables that say who is let in; no job gets them."""


def reaching(environment: Mapping[str, str], around: Mapping[str, str]) -> dict[str, str]:
    """A job's ``environment``, with what a process has ``around`` it to reach machines with."""
    return {**environment, **{name: around[name] for name in _OWN if name in around}}


def check(on: str) -> None:
    """Raises BadInput for what is no address of a machine."""
    if on.startswith(SCHEME):
        Cluster(on, 0, {})
    else:
        Address.parse(on)


@contextmanager
def reach(
    on: str,
    environment: Mapping[str, str],
    cpus: int = 0,
    gpus: int = 0,
    *,
    claims: bool = True,
) -> Iterator[Connection]:
    """A greeted connection to the machine, or to the node of a cluster that has so much free.

    What is there ends with the block. Without ``claims`` a cluster is asked for no processors:
    who asks has a worker on each node that holds them. Raises BadInput, NotAllowed for a host
    that is unknown or a cluster that lets in anybody, NotFound where nobody answers.
    """
    with ExitStack() as ends:
        line: Line
        if on.startswith(SCHEME):
            cluster = Cluster(on, cpus, environment)
            ends.callback(cluster.close)
            line = cluster.anywhere(max(1, cpus) if claims else 0, gpus)
        else:
            line = SshLine(Address.parse(on), _LONGEST)
        connection = Connection.greet(line)
        ends.callback(connection.close)
        yield connection
