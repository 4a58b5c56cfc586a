"""Runs hostile code in a fence: whatever in it says ``reached`` has broken out."""

from __future__ import annotations

from tests.fence.benches import Bench, Outcome

LONGEST_MS = 30_000

PRELUDE = """
import ctypes, errno, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def reached(*what): print('REACHED', *what, flush=True)
def tries(label, act):
    try: act()
    except OSError as e: print(label, errno.errorcode.get(e.errno, e), flush=True)
    else: reached(label)
def syscall(number, *args):
    result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, args))
    if result < 0: raise OSError(ctypes.get_errno(), 'syscall')
    return result
"""


def attack(
    bench: Bench, body: str, *arguments: str, level: str = "full", **fields: object
) -> Outcome:
    """Runs ``body``, at exactly that level of fence; what says ``reached`` has broken out."""
    fields.setdefault("required", level)
    done = bench.code(PRELUDE + body, *arguments, **fields)
    assert "REACHED" not in done.output, done.output
    assert done.exit_status == 0, (done.exit_status, done.errors, done.notes)
    assert done.level == level, done.notes
    assert done.wall_ms < LONGEST_MS
    return done
