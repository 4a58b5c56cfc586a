"""Opens a fenced shell on this process's own terminal, as ordered by a file of JSON."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from cloister.fence import shell
from tests.fence.driver import spec_of

if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may ignore it: nohup
    report = shell(spec_of(json.loads(Path(sys.argv[1]).read_text())))
    print(f"report: exit {report.exit_status} level {report.level}", flush=True)
