"""Staging: an upload as a folder that comes a part at a time, in memory, and goes again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cloister import fence
from cloister.biobank.tables import HEADER_BYTES, is_table
from cloister.biobank.tree import Survey
from cloister.biobank.walk import check_column
from cloister.core.errors import BadInput, NoSpace, NotFound
from cloister.core.files import translated
from cloister.datasets.uploads import Upload
from cloister.labels.parse import LabelRules
from cloister.workflows.data.add import LabelSource
from cloister.workflows.lab import Lab
from cloister.workflows.uploads._pieces import Entry, chunks
from cloister.workflows.uploads.rules import Rules

PART_BYTES = 128 << 20
_PART_FILES = 2000


@dataclass(frozen=True, slots=True)
class StagedUpload:
    """An upload as `Stages`: no more than a part of it is there in plain, in memory alone."""

    lab: Lab
    upload: Upload
    entries: Sequence[Entry]
    asked: Rules

    @property
    def survey(self) -> Survey:
        """How much it is; raises BadInput for what cannot be asked of these files."""
        self._check()
        data = list(self._data())
        return Survey(len(data), sum(self.entries[index].size_bytes for index in data))

    def parts(self) -> Iterator[AbstractContextManager[Path]]:
        """A few files at a time, a large one by itself."""
        part: list[int] = []
        size_bytes = 0
        for index in self._data():
            size = self.entries[index].size_bytes
            if part and (size_bytes + size > PART_BYTES or len(part) >= _PART_FILES):
                yield self._staged(part)
                part, size_bytes = [], 0
            part.append(index)
            size_bytes += size
        if part:
            yield self._staged(part)

    @contextmanager
    def labels(self) -> Iterator[LabelSource | None]:
        """The file of labels by itself, at its own path below an empty folder."""
        if self.asked.labels is None:
            yield None
            return
        index = self._labels()
        asked = self.asked
        with self._staged([index]) as folder:
            # Labels that lie among the data are about the table that they are themselves.
            home = folder if asked.labels_are_data else folder / "nowhere"
            rules = LabelRules(asked.issuer, asked.column, None, asked.label_columns, home)
            yield LabelSource(folder / self.entries[index].path, rules)

    def _data(self) -> list[int]:
        """The files of the dataset, ordered by the bytes of paths."""
        aside = None if self.asked.labels_are_data else self.asked.labels
        found = [n for n, one in enumerate(self.entries) if one.path != aside]
        return sorted(found, key=lambda n: os.fsencode(self.entries[n].path))

    def _labels(self) -> int:
        for index, one in enumerate(self.entries):
            if one.path == self.asked.labels:
                return index
        raise NotFound("the file of labels is no file of the upload")

    def _check(self) -> None:
        if self.asked.labels is not None:
            self._labels()
        paths = {one.path for one in self.entries}
        for path in paths:
            above = path
            while "/" in above:
                above = above.rpartition("/")[0]
                if above in paths:
                    raise BadInput("a file of the upload has the name of a folder of it")
        if self.asked.column is not None:
            tables = [n for n, one in enumerate(self.entries) if is_table(one.path)]
            check_column((self._beginning(n) for n in tables), self.asked.column)

    def _beginning(self, index: int) -> bytes:
        for chunk in chunks(self.lab, self.upload, index):
            return chunk[:HEADER_BYTES]
        return b""

    @contextmanager
    def _staged(self, part: Sequence[int]) -> Iterator[Path]:
        with fence.scratch() as folder:
            needed = sum(self.entries[index].size_bytes for index in part)
            found = os.statvfs(folder)
            if needed + (16 << 20) > found.f_bavail * found.f_frsize:
                raise NoSpace(
                    "a file of the upload is larger than the memory set aside for it",
                    hint="add its folder at the machine: cloister add",
                )
            for index in part:
                self._write(folder, index)
            yield folder

    def _write(self, folder: Path, index: int) -> None:
        target = folder / self.entries[index].path
        with translated():
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with target.open("xb") as file:
                for chunk in chunks(self.lab, self.upload, index):
                    file.write(chunk)
