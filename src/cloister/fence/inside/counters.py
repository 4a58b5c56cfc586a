"""What the kernel counted in this network namespace: attempts to leave that found no route."""

from __future__ import annotations


def attempts_to_leave() -> int:
    """IPv4 and IPv6 packets and connections without a route, since the namespace began."""
    return _ipv4() + _ipv6()


def _ipv4() -> int:
    with open("/proc/self/net/snmp", "rb") as file:
        lines = [line.split() for line in file if line.startswith(b"Ip:")]
    names, values = lines
    return int(values[names.index(b"OutNoRoutes")])


def _ipv6() -> int:
    try:
        with open("/proc/self/net/snmp6", "rb") as file:
            found = [line.split()[1] for line in file if line.startswith(b"Ip6OutNoRoutes")]
    except FileNotFoundError:
        return 0  # a kernel without IPv6
    return sum(int(value) for value in found)
