"""Faults for real processes: syncs that fail, disks that run full."""

from tests.faults.failing_sync import FailingSync
from tests.faults.small_disk import SmallDisk, small_disk

__all__ = ["FailingSync", "SmallDisk", "small_disk"]
