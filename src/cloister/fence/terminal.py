"""The user's own terminal while a job has it: raw, and back as it was."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import tty

_INTERRUPT = b"\x03"


class RawTerminal:
    """A terminal in raw mode until ``restore``: every key goes to the job, Ctrl-C too."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._before = termios.tcgetattr(descriptor)
        tty.setraw(descriptor, termios.TCSADRAIN)  # keys typed ahead are the job's

    def restore(self) -> None:
        """As it was before."""
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)


def copy_window_size(source: int, target: int) -> None:
    """Rows and columns of one terminal to another, which tells its foreground job."""
    size = fcntl.ioctl(source, termios.TIOCGWINSZ, bytes(struct.calcsize("4H")))
    fcntl.ioctl(target, termios.TIOCSWINSZ, size)


def interrupts_in(typed: bytes, terminal: int, job: int) -> int:
    """How often Ctrl-C was typed for the job itself, whose process group is ``job``.

    A program that edits lines (a prompt, an editor) takes Ctrl-C as a key of its own, and a
    shell passes it to the command it runs, which is another group.
    """
    local = termios.tcgetattr(terminal)[3]
    cooked = bool(local & termios.ICANON) and bool(local & termios.ISIG)
    return typed.count(_INTERRUPT) if cooked and os.tcgetpgrp(terminal) == job else 0
