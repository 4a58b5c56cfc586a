"""A run on another machine next to the same run here: an sshd on loopback.

    python -m benchmarks.elsewhere [--quick]

Measured, in turns: a command that does nothing, and one that is given 200 MB and reads them,
each the whole ``cloister run``, here and over ssh. Wanted: nothing takes at most 2 s more. Both
ends, and both of ssh, share the processors of one machine here.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from tests.conftest import Shell, new_lab
from tests.recovery.second_box import second_box

from benchmarks.line import append

READ = "import sys; from pathlib import Path\n"
READ += "print(sum(len(p.read_bytes()) for p in Path(sys.argv[1]).rglob('*.bin')))"
_FILES, _EACH = 20, 10 << 20


def main(rounds: int) -> None:
    with (
        tempfile.TemporaryDirectory() as place,
        second_box(Path(place) / "ssh") as box,
        new_lab() as shell,
    ):
        for number in range(_FILES):
            folder = shell.folder / f"scans/P{number:03d}"
            folder.mkdir(parents=True)
            (folder / "0.bin").write_bytes(os.urandom(_EACH))
        shell("add", "scans", "--subject-pattern", "^(P[0-9]+)/")
        (shell.folder / "code").mkdir()
        path = {"PATH": f"{box.path}:{shell.environment['PATH']}"}
        compare(shell, path, "a command that does nothing", ("true",), rounds)
        read = ("python", "-c", READ, "../scans")
        compare(shell, path, "200 MB given and read", read, rounds)


def compare(
    shell: Shell, path: dict[str, str], case: str, argv: tuple[str, ...], rounds: int
) -> None:
    """In turns, so that both meet the same machine."""
    taken: dict[str, list[float]] = {"here": [], "ssh": []}
    for _ in range(rounds):
        for name, on in (("here", ()), ("ssh", ("--on", "ssh:second"))):
            begin = time.monotonic()
            shell("run", "--workdir", "code", *on, "--", *argv, env=path)
            taken[name].append(time.monotonic() - begin)
    found = {name: statistics.median(samples) for name, samples in taken.items()}
    append(
        "elsewhere",
        {
            "case": case,
            "here_s": round(found["here"], 3),
            "ssh_s": round(found["ssh"], 3),
            "more_s": round(found["ssh"] - found["here"], 3),
            "samples_s": {n: [round(one, 3) for one in each] for n, each in taken.items()},
        },
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    main(2 if parser.parse_args().quick else 7)
