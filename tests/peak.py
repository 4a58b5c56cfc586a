"""What memory a command came to, whatever the test's own process holds.

A process begins as a copy of the one that starts it, and the kernel counts that copy's pages:
so a small interpreter stands between.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

_BETWEEN = """
import os, sys
process = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(process, 0)
print(usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status) & 255)
"""


def peak_kib(command: Sequence[str], **options: Any) -> int:
    """Runs it, which must succeed; gives the most that was resident at once, in KiB."""
    between = [sys.executable, "-I", "-S", "-c", _BETWEEN, *command]
    done = subprocess.run(
        between, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stderr.splitlines()[-1])
