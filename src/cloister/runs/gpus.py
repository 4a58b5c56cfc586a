"""What NVIDIA's GPUs do just now, asked of the driver's own library: NVML."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LIBRARY = "libnvidia-ml.so.1"
SHARED = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")
"""Device nodes without which none of them works; they give access to no GPU by themselves."""
_MEGABYTE = 1_000_000


class _Utilization(ctypes.Structure):
    """nvmlUtilization_t"""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    """nvmlMemory_t"""

    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


@dataclass(frozen=True, slots=True)
class Gpus:
    """The GPUs of this machine; none where the driver is not installed or not awake."""

    library: ctypes.CDLL | None
    handles: tuple[tuple[int, ctypes.c_void_p], ...] = ()

    @classmethod
    def find(cls, name: str = LIBRARY) -> Gpus:
        """Those that the driver lists now; it is asked through the library of this name."""
        try:
            library = ctypes.CDLL(name)
        except OSError:
            return cls(None)
        count = ctypes.c_uint()
        if library.nvmlInit_v2() or library.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            return cls(None)
        handles = []
        for number in range(count.value):
            handle = ctypes.c_void_p()
            if not library.nvmlDeviceGetHandleByIndex_v2(number, ctypes.byref(handle)):
                handles.append((number, handle))
        return cls(library, tuple(handles))

    def minors(self) -> Mapping[int, int]:
        """Number -> that of its device node, which another driver order may make differ."""
        found: dict[int, int] = {}
        for number, handle in self.handles:
            minor = ctypes.c_uint()
            ask = getattr(self.library, "nvmlDeviceGetMinorNumber", None)
            known = ask is not None and not ask(handle, ctypes.byref(minor))
            found[number] = minor.value if known else number
        return found

    def sample(self) -> Mapping[str, float]:
        """Use, memory and power of each, by the names that MLflow gives them."""
        found: dict[str, float] = {}
        if self.library is None:
            return found
        for number, handle in self.handles:
            name = f"system/gpu_{number}"
            use, memory, power = _Utilization(), _Memory(), ctypes.c_uint()
            if not self.library.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(use)):
                found[f"{name}_utilization_percentage"] = float(use.gpu)
            if not self.library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)):
                found[f"{name}_memory_usage_megabytes"] = memory.used / _MEGABYTE
                share = 100 * memory.used / max(1, memory.total)
                found[f"{name}_memory_usage_percentage"] = share
            if not self.library.nvmlDeviceGetPowerUsage(handle, ctypes.byref(power)):
                found[f"{name}_power_usage_watts"] = power.value / 1000
        return found


def nodes(
    numbers: tuple[int, ...], devices: Path = Path("/dev"), found: Gpus | None = None
) -> tuple[Path, ...]:
    """The device nodes of these GPUs, and those that they need; none for no GPU."""
    if not numbers:
        return ()
    minors = (found or Gpus.find()).minors()
    own = (f"nvidia{minors.get(number, number)}" for number in numbers)
    paths = (devices / name for name in (*own, *SHARED))
    return tuple(path for path in paths if path.exists())
