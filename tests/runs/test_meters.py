"""What the machine does while a job runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from cloister.runs.gpus import Gpus
from cloister.runs.meters import Meters


def machine(folder: Path, busy: int, idle: int) -> None:
    (folder / "stat").write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 1 1\n")
    (folder / "meminfo").write_text(
        "MemTotal:       1000000 kB\nMemFree: 1 kB\nMemAvailable:    250000 kB\n"
    )


def test_use_is_what_was_used_since_the_last_look(tmp_path: Path) -> None:
    meters = Meters(tmp_path, Gpus(None), tmp_path)
    machine(tmp_path, 100, 900)
    first = meters.sample()
    machine(tmp_path, 400, 1000)
    second = meters.sample()
    assert first["system/cpu_utilization_percentage"] == 10
    assert second["system/cpu_utilization_percentage"] == 75
    assert second["system/system_memory_usage_megabytes"] == 768
    assert second["system/system_memory_usage_percentage"] == 75


def test_the_machine_itself_is_read() -> None:
    meters = Meters(Path("/"))
    meters.sample()
    until = time.monotonic() + 0.2
    while time.monotonic() < until:
        os.getpid()  # one processor is busy
    found = meters.sample()
    assert 5 < found["system/cpu_utilization_percentage"] <= 100
    assert 0 < found["system/system_memory_usage_percentage"] < 100
    assert 0 < found["system/disk_usage_percentage"] <= 100


DRIVER = """
#include <stdint.h>
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 3; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned n, void **h) {
    if (n == 1) return 15; *h = (void *)(uintptr_t)(0x700000000000 + n); return 0; }
int nvmlDeviceGetUtilizationRates(void *h, unsigned *u) {
    if ((uintptr_t)h < 0x700000000000) return 2; u[0] = 87; u[1] = 3; return 0; }
int nvmlDeviceGetMemoryInfo(void *h, unsigned long long *m) {
    m[0] = 80000000000; m[1] = 60000000000; m[2] = 20000000000; return 0; }
int nvmlDeviceGetPowerUsage(void *h, unsigned *mw) {
    if ((uintptr_t)h & 2) return 3; *mw = 312500; return 0; }
"""


def test_the_driver_is_called_as_its_header_says(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    (tmp_path / "driver.c").write_text(DRIVER)
    library = tmp_path / "libdriver.so"
    command = [compiler, "-shared", "-fPIC", "-o", library, tmp_path / "driver.c"]
    subprocess.run(command, check=True)
    memory = {"memory_usage_megabytes": 20_000.0, "memory_usage_percentage": 25.0}
    first = {"utilization_percentage": 87.0, **memory, "power_usage_watts": 312.5}
    second = {"utilization_percentage": 87.0, **memory}  # this one does not tell its power
    assert Gpus.find(str(library)).sample() == {
        **{f"system/gpu_0_{name}": value for name, value in first.items()},
        **{f"system/gpu_2_{name}": value for name, value in second.items()},
    }


def test_gpus_are_read_where_there_are_any() -> None:
    gpus = Gpus.find()
    if not gpus.handles:
        assert gpus.sample() == {}
        return
    found = gpus.sample()
    assert 0 <= found["system/gpu_0_utilization_percentage"] <= 100
    assert found["system/gpu_0_memory_usage_megabytes"] > 0
    assert found["system/gpu_0_power_usage_watts"] > 0
