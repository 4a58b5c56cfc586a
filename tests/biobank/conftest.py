"""Real patient data for the readers, where it is at hand."""

from __future__ import annotations

import os
import pathlib

import pydicom
import pytest


@pytest.fixture
def real_data() -> pathlib.Path:
    """The folder of real images; skips where there is none."""
    beside = pathlib.Path(__file__).parents[3] / "shared" / "data"
    folder = pathlib.Path(os.environ.get("CLOISTER_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip("no folder of real images: set CLOISTER_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def pydicom_data() -> pathlib.Path:
    """The good, odd and broken files that pydicom is tested with."""
    return pathlib.Path(pydicom.__file__).parent / "data"
