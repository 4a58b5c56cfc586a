"""Runs a pipeline in processes of this user, without a lab: no fence, no record, no cache.

For a look at one's own pipeline while it is written, and for tests of it. What it computes is
on no record, and patient data have no place in it: datasets are refused.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from select import select
from typing import Any

from cloister.core.errors import BadInput
from cloister.pipelines.executor import Call, Ended, Executor, answer, message
from cloister.pipelines.inside.frames import Frames, pack
from cloister.pipelines.job import WHOLE, Job
from cloister.pipelines.mapping import in_part, listed, over_step
from cloister.pipelines.plan import Plan, parse
from cloister.pipelines.progress import Progress
from cloister.pipelines.values import collected, decode, truth

_CHUNK = 1 << 18


class Processes:
    """Warm processes, each with one call at a time; the executor without a fence."""

    def __init__(
        self, file: Path, name: str | None, chosen: Mapping[str, str], slots: int
    ) -> None:
        self._processes = [_Process(file.parent) for _ in range(slots)]
        self._waiting: deque[Call] = deque()
        self._lost: list[Ended] = []
        told: dict[str, Any] = {"do": "plan", "file": str(file), "name": name, "slots": 1}
        told["chosen"] = dict(chosen)
        for one in self._processes:
            one.say(told)
        answers = [one.hear() for one in self._processes]
        if "plan" not in answers[0]:
            self.close()
            raise BadInput(str(answers[0]["error"]), hint=answers[0]["hint"])
        self.plan = parse(answers[0]["plan"])

    @property
    def slots(self) -> int:
        """One call a process."""
        return len(self._processes)

    def submit(self, call: Call) -> None:
        """Gives it to a process that is free, or keeps it until one is."""
        self._waiting.append(call)
        self._deal()

    def _deal(self) -> None:
        for one in self._processes:
            if self._waiting and one.call is None:
                one.begin(self._waiting.popleft())

    def poll(self, patience_s: float) -> list[Ended]:
        """What ended."""
        ended, self._lost = self._lost, []
        busy = {one.output: one for one in self._processes if one.call is not None}
        if busy and not ended:
            wait = min([patience_s, *(one.left_s() for one in busy.values())])
            for output in select(list(busy), [], [], max(0.0, wait))[0]:
                ended += busy[output].take()
        ended += [found for one in busy.values() if (found := one.overdue())]
        self._deal()
        return ended

    def cancel(self, number: int) -> None:
        """Ends the process of the call."""
        for one in self._processes:
            if one.call is not None and one.call.number == number:
                self._lost.append(one.lost("cancelled"))
        kept = [call for call in self._waiting if call.number != number]
        if len(kept) < len(self._waiting):
            self._waiting = deque(kept)
            self._lost.append(Ended(number, ok=False, error="cancelled"))

    def close(self) -> None:
        """Ends all processes."""
        for one in self._processes:
            one.end()


class _Process:
    """One worker, its pipes, and the call that it is at."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told: Mapping[str, Any] = {}
        self.call: Call | None = None
        self._began_s = 0.0
        self._start()

    def _start(self) -> None:
        self._frames = Frames()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cloister.pipelines.inside"],
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        assert self._process.stdout is not None
        self.output = self._process.stdout.fileno()

    def say(self, told: Mapping[str, Any]) -> None:
        """A message; of a plan it is remembered, for a process that takes this one's place."""
        if told["do"] == "plan":
            self._told = told
        assert self._process.stdin is not None
        data = pack(dict(told))
        try:
            while data:
                data = data[self._process.stdin.write(data) :]
        except BrokenPipeError:
            return  # its end is read next

    def hear(self) -> dict[str, Any]:
        """The next message; raises BadInput when the process ended instead."""
        while True:
            data = self._read()
            if not data:
                raise BadInput("the worker ended before it had read the pipeline's file")
            for one in self._frames.feed(data):
                return dict(one)

    def _read(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.read(_CHUNK) or b""

    def begin(self, call: Call) -> None:
        """Starts a call."""
        self.call, self._began_s = call, time.monotonic()
        self.say(message(call, fork=False))

    def take(self) -> list[Ended]:
        """What it said; a process that ended is made anew."""
        data = self._read()
        if not data:
            return [self.lost("lost")]
        found = [answer(one) for one in self._frames.feed(data)]
        if found:
            self.call = None
        return found

    def left_s(self) -> float:
        """Until the call has had its time."""
        if self.call is None or self.call.timeout_s is None:
            return float("inf")
        return self._began_s + self.call.timeout_s - time.monotonic()

    def overdue(self) -> Ended | None:
        """The end of a call that had its time."""
        return self.lost("timeout") if self.call is not None and self.left_s() <= 0 else None

    def lost(self, why: str) -> Ended:
        """Ends the process with its call, and starts another."""
        assert self.call is not None
        number, self.call = self.call.number, None
        self.end()
        self._start()
        self.say(self._told)
        self.hear()
        return Ended(number, ok=False, error=why)

    def end(self) -> None:
        """No process is left."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def run_plan(plan: Plan, executor: Executor) -> Mapping[str, Any]:
    """Runs all of a plan on ``executor``; the values by step, of those that are done.

    Retries as the tasks say, without waiting between; nothing is kept.
    """
    return _Run(plan, executor).finish()


class _Run:
    """One run in memory."""

    def __init__(self, plan: Plan, executor: Executor) -> None:
        self._plan, self._executor = plan, executor
        self._progress = Progress(plan)
        self._values: dict[int, bytes] = {}
        self._files: dict[int, tuple[tuple[str, bytes], ...]] = {}
        self._items: dict[int, list[bytes]] = {}
        """Of a mapped step, in their order; and what came of each."""
        self._parts: dict[int, list[bytes]] = {}
        self._jobs: dict[int, tuple[Job, int]] = {}
        self._numbers = 0

    def finish(self) -> Mapping[str, Any]:
        """All of it."""
        while not self._progress.over:
            for step in self._progress.take():
                self._open(step.number)
            if self._jobs:
                for ended in self._executor.poll(1.0):
                    self._ended(ended)
        return {
            self._plan.steps[number].name: decode(value)
            for number, value in self._values.items()
        }

    def _open(self, number: int) -> None:
        step = self._plan.steps[number]
        if step.datasets or self._plan.task_of(number).takes is not None:
            raise BadInput(f"{step.name} takes a dataset or an asset: run it in a lab")
        count = None
        if step.over is not None:
            self._items[number] = listed(self._plan, number, self._values)
            count = len(self._items[number])
            self._parts[number] = [b""] * count
        for job in self._progress.opened(number, count):
            self._submit(job, 0)
        if count == 0:
            self._values[number] = collected([])

    def _submit(self, job: Job, tried: int) -> None:
        step = self._plan.steps[job.step]
        part = None
        if job.part != WHOLE:
            part = (over_step(self._plan, job.step), self._items[job.step][job.part])
        self._numbers += 1
        self._jobs[self._numbers] = (job, tried)
        given = {n: self._values[n] for n in step.values if n in self._values}
        files = {n: self._files[n] for n in given if self._files.get(n)}
        timeout = self._plan.task_of(job.step).settings.timeout
        self._executor.submit(
            Call(
                self._numbers, step.task, step.arguments, given, files, step.over, part, timeout
            )
        )

    def _ended(self, ended: Ended) -> None:
        job, tried = self._jobs.pop(ended.number)
        if not ended.ok:
            if tried < self._plan.task_of(job.step).settings.retries:
                self._submit(job, tried + 1)
            else:
                self._progress.failed(job)
            return
        if job.part == WHOLE:
            self._files[job.step] = ended.files
            self._values[job.step] = ended.value
            self._progress.succeeded(job, truth(ended.value))
            return
        moved, files = in_part(job.part, ended.value, ended.files)
        self._files[job.step] = (*self._files.get(job.step, ()), *files)
        self._parts[job.step][job.part] = moved
        if self._progress.succeeded(job):
            self._values[job.step] = collected(self._parts[job.step])
