"""A small lab whose model another run trained, on a pretrained one, and this run converted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cloister.core.encoding import to_text
from cloister.core.ids import RunId
from cloister.core.values import Closure, FenceLevel, FenceReport, HubModel, Origin, Parity
from cloister.proof._origin import parity_body
from cloister.runs.history import fence_body
from tests.proof.small_lab import SmallLab

PICKLE = b"what joblib left"
HUB = HubModel("bert-base", "b0" * 32, "apache-2.0")
PARITY = Parity(20, True, 20, 20, "2.000e-05", "1.000e-06", "1.000e-04")


@dataclass
class SmallConversion(SmallLab):
    """As SmallLab; the statement is of the second version."""

    def _train(self) -> None:
        self.first = RunId.new(self.randomness)
        command = self._commit_to("first command", b"python fit.py")
        settings = {"OMP_NUM_THREADS": "1"}
        fence = FenceReport(FenceLevel.FULL, 0, 0, {}, 20, 700, 1 << 20)
        began = self._note(
            "run.begun",
            {
                "code": "c1" * 32,
                "command": to_text(b"sealed"),
                "command_commitment": command,
                "environment": "e1" * 32,
                "run": self.first,
                "seal": "",
                "settings": settings,
                "versions": [{"dataset": "scans", "number": 1, "part": "", "root": self.root}],
                "wrap": "",
            },
        )
        own, self.run = self.run, self.first
        self.source = self._output("output", PICKLE)
        self.run = own
        body = {
            "exit_status": 0,
            "fence": fence_body(fence),
            "run": self.first,
            "state": "finished",
        }
        ended = self._note("run.ended", body)
        self.origin = Origin(
            run=self.first,
            output=self.openings[f"output-{self.source}"].commitment(),
            command_commitment=command,
            code="c1" * 32,
            environment="e1" * 32,
            settings=settings,
            started=self._time(began),
            finished=self._time(ended),
            fence=fence,
            converter="scikit-learn by skl2onnx 1.20.0",
            parity=PARITY,
        )
        super()._train()

    def _completed(self, closure: Closure) -> Closure:
        given = {"license": HUB.license, "name": HUB.name, "sha256": HUB.sha256}
        self._note("hub.given", {"models": [given], "run": self.run})
        self._note(
            "model.exported",
            {
                "commitment": self.origin.output,
                "converter": self.origin.converter,
                "origin": self.first,
                "parity": parity_body(self.origin.parity),
                "run": self.run,
                "source": self.source,
            },
        )
        return replace(closure, hub=(HUB,), origin=self.origin)
