"""Carries out the plan of a new root, step by step, inside the job's namespaces."""

from __future__ import annotations

import os
import stat
from _collections_abc import Callable, Sequence
from errno import ESTALE

from cloister.fence.inside import kernel
from cloister.fence.inside.copying import copy_tree, is_small
from cloister.fence.inside.descendants import wipe
from cloister.fence.inside.wire import Channel

_BY_NAME = (b"take", b"place", b"spot")  # the path is their second argument
_QUIET = kernel.MS_NOSUID | kernel.MS_NODEV
_STAGES = (b"/tmp", b"/mnt", b"/proc")  # any folder that exists: it is covered for a moment


class StepFailed(Exception):
    """A step of the plan the kernel refused."""

    def __init__(self, step: Sequence[bytes], error: OSError) -> None:
        super().__init__(step, error)
        verb, *arguments = step
        place = arguments[1:2] if verb in _BY_NAME else arguments[:1]
        self.step = b" ".join([verb, *place])
        self.error = error


class NewRoot:
    """Holds what the plan took from the old root until it is placed in the new one."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._taken: dict[bytes, int] = {}
        self._made: set[bytes] = set()
        self.scratch: int | None = None
        self._verbs: dict[bytes, Callable[..., None]] = {
            b"take": self._take, b"stage": self._stage, b"enter": self._enter,
            b"folder": self._folder, b"spot": self._spot, b"link": self._link,
            b"file": self._file, b"place": self._place, b"mount": self._mount,
            b"bind": self._bind, b"overlay": self._overlay, b"protect": self._protect,
            b"glass": self._glass, b"mask": self._mask, b"hand": self._hand,
            b"wait": self._wait, b"hostname": self._hostname, b"write": self._write,
            b"lay": self._lay,
        }  # fmt: skip

    def build(self, steps: Sequence[Sequence[bytes]]) -> None:
        """All steps in order; raises StepFailed at the first one that is refused."""
        kernel.mount(b"none", b"/", b"none", kernel.MS_REC | kernel.MS_PRIVATE)
        for verb, *arguments in steps:
            try:
                self._verbs[verb](*arguments)
            except OSError as error:
                raise StepFailed((verb, *arguments), error) from error

    def _make_parent(self, path: bytes) -> None:
        parent = os.path.dirname(path)
        if parent not in self._made:
            os.makedirs(parent, exist_ok=True)
            self._made.add(parent)

    def _take(self, name: bytes, source: bytes, attributes: bytes) -> None:
        self._taken[name] = kernel.take_tree(source, int(attributes))

    def _stage(self, options: bytes) -> None:
        """A space in memory for scaffolding, and for all that the job will write."""
        stage = next(path for path in _STAGES if os.path.isdir(path))
        kernel.mount(b"tmpfs", stage, b"tmpfs", _QUIET, options)
        os.chdir(stage)
        self.scratch = os.open(stage, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def _enter(self, path: bytes, options: bytes) -> None:
        """An empty root; the old one, and the scaffolding with it, is let go."""
        kernel.mount(b"tmpfs", path, b"tmpfs", _QUIET, options)
        os.chdir(path)
        entered = os.stat(".")
        kernel.pivot_here()
        if not os.path.samestat(os.stat("/"), entered):  # what follows writes below /
            raise OSError(ESTALE, "the root is still the old one")

    def _folder(self, path: bytes, mode: bytes) -> None:
        """A folder below the stage, where data may have brought links: none is followed."""
        at = b""
        for name in path.split(b"/"):
            at = os.path.join(at, name)
            try:
                os.mkdir(at)
            except FileExistsError:
                if not stat.S_ISDIR(os.lstat(at).st_mode):
                    raise
        os.chmod(path, int(mode, 8))

    def _spot(self, name: bytes, path: bytes) -> None:
        """A mount point of the kind of what was taken: a folder or an empty file."""
        self._make_parent(path)
        if stat.S_ISDIR(os.stat(self._taken[name]).st_mode):
            os.makedirs(path, exist_ok=True)
        elif not os.path.lexists(path):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))

    def _link(self, path: bytes, target: bytes) -> None:
        self._make_parent(path)
        if not os.path.lexists(path):
            os.symlink(target, path)

    def _file(self, path: bytes, mode: bytes, content: bytes) -> None:
        self._make_parent(path)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, int(mode, 8))

    def _place(self, name: bytes, target: bytes) -> None:
        tree = self._taken.pop(name)
        kernel.place_tree(tree, target)
        os.close(tree)

    def _mount(self, kind: bytes, target: bytes, flags: bytes, options: bytes) -> None:
        os.makedirs(target, exist_ok=True)
        kernel.mount(kind, target, kind, int(flags), options)

    def _bind(self, source: bytes, target: bytes, attributes: bytes) -> None:
        kernel.mount(source, target, b"none", kernel.MS_BIND)
        kernel.protect(target, int(attributes))

    def _overlay(self, target: bytes, upper: bytes, work: bytes, *lowers: bytes) -> None:
        """``lowers`` (first on top) under a writable layer.

        Where that cannot mark a folder as made anew, a small folder is copied instead.
        """
        marks = _keeps_marks(upper)
        if not marks and is_small(lowers):
            self._copy(target, upper, lowers)
            return
        layers = b"lowerdir=" + b":".join(lowers)
        options = [layers, b"upperdir=" + upper, b"workdir=" + work, b"userxattr"]
        try:
            kernel.mount(b"overlay", target, b"overlay", _QUIET, b",".join(options))
        except OSError:
            self._copy(target, upper, lowers)
        else:
            if not marks:
                self._channel.send(b"limited")

    def _copy(self, target: bytes, upper: bytes, lowers: Sequence[bytes]) -> None:
        for lower in reversed(lowers):
            copy_tree(lower, upper)
        self._bind(upper, target, b"%d" % _QUIET)
        self._channel.send(b"copied")

    def _lay(self, source: bytes, target: bytes) -> None:
        """Moves what was prepared into the working folder, as if the job had written it."""
        copy_tree(source, target)
        wipe([source])

    def _glass(self, target: bytes, source: bytes, empty: bytes) -> None:
        """``source`` to look at: unlike in a bind, its sockets and pipes lead to nobody."""
        os.makedirs(target)
        flags = _QUIET | kernel.MS_RDONLY
        try:
            layers = b"lowerdir=" + source + b":" + empty
            kernel.mount(b"overlay", target, b"overlay", flags, layers)
        except OSError:
            self._bind(source, target, b"%d" % flags)

    def _protect(self, target: bytes, attributes: bytes) -> None:
        kernel.protect(target, int(attributes))

    def _hand(self, verb: bytes, path: bytes) -> None:
        """Gives the runner a descriptor of a folder only this namespace can name."""
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._channel.send(verb, path, descriptors=[folder])
        os.close(folder)

    def _wait(self) -> None:
        """Until the runner has filled what it was handed; ends with the runner."""
        fields, _ = self._channel.receive()
        if fields != [b"filled"]:
            os._exit(1)

    def _hostname(self, name: bytes) -> None:
        kernel.set_hostname(name)

    def _write(self, path: bytes, text: bytes) -> None:
        with open(path, "wb", buffering=0) as file:
            file.write(text)

    def _mask(self, path: bytes) -> None:
        """Covers a path with nothing, if it is there."""
        try:
            kind = os.lstat(path).st_mode
        except FileNotFoundError:
            return
        if stat.S_ISDIR(kind):
            kernel.mount(b"tmpfs", path, b"tmpfs", _QUIET | kernel.MS_RDONLY, b"mode=0,size=4k")
        elif not stat.S_ISLNK(kind):
            self._bind(b"/dev/null", path, b"%d" % kernel.ATTR_RDONLY)


def _keeps_marks(folder: bytes) -> bool:
    """Whether overlayfs could store its mark there: a file system in memory can since 6.6."""
    try:
        os.setxattr(folder, b"user.overlay.opaque", b"n")
        os.removexattr(folder, b"user.overlay.opaque")
    except OSError:
        return False
    return True
