"""A release before its gate: the evaluations that the gate's lines need are run, or taken from runs that are kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from app.answer_evaluation import Asked, Evaluation, Report
from app.workspace import Settings
from finetune.answer_runs import About, AnswerRun, kept_runs
from finetune.gate import Checked, Gate, check, verdict
from serving.batches import PackagedBatchWriter
from serving.loading import packaged_base
from serving.packaged import PackagedModel
from serving.parity import parity
from serving.release_store import ReleaseStore
from serving.releases import BASE, LIVE, Release

# Prompts that served and trained weights are compared on.
PARITY_PROMPTS = 16


@dataclass(slots=True)
class GateRuns:
    """The runs of a gate: each made once, kept in the data folder, and taken from there when nothing has changed.

    fresh: make each anew.
    """

    gate: Gate
    release: Release
    settings: Settings
    report: Report
    fresh: bool = False
    used: dict[tuple[str, str], AnswerRun] = field(default_factory=dict)

    def of(self, who: str, evaluation: str) -> AnswerRun:
        """The run of ``this``, ``live`` or ``base`` in an evaluation."""
        if (who, evaluation) not in self.used:
            wanted = {"this": self.release.reference, "live": LIVE, "base": BASE}[who]
            self.used[who, evaluation] = self._run(self.evaluation(wanted, evaluation))
        return self.used[who, evaluation]

    def evaluation(self, release: str, name: str) -> Evaluation:
        """One of the gate's evaluations, of a release."""
        said = self.gate.evaluations[name]
        asked = Asked(said.dataset, release, said.passages, said.style, general=said.general, limit=said.limit)
        return Evaluation(asked, self.settings)

    def _run(self, evaluation: Evaluation) -> AnswerRun:
        home = self.settings.ingest.home
        wanted = _what(evaluation.about)
        if not self.fresh:
            for kept in kept_runs(home):
                if _what(kept.about) == wanted:
                    return kept
        run = evaluation.run(self.report)
        run.keep(home)
        return run

    def parity(self) -> float:
        """Share of prompts that served and trained weights answer alike, over the first evaluation's questions."""
        first = next(iter(self.gate.evaluations))
        evaluation = self.evaluation(self.release.reference, first)
        models, dtype = self.settings.ingest.models_folder, self.settings.serving.packaged_dtype
        writer = PackagedBatchWriter(PackagedModel(models, dtype, self.release if self.release.folder else None))
        prompts = evaluation.prompts(writer, PARITY_PROMPTS)
        return parity(models, dtype, self.release, prompts)


def run_gate(
    gate: Gate, release: Release, settings: Settings, report: Report, *, fresh: bool = False
) -> tuple[list[Checked], dict[str, Any]]:
    """Look at every line of a gate for a release; the verdict is kept with the release.

    Raises:
        ReleaseError: the release is shipped, and needs none.
        FrontdeskError: an evaluation failed.
    """
    runs = GateRuns(gate, release, settings, report, fresh)
    checked = check(gate, runs.of, runs.parity)
    said = verdict(
        gate, checked, [run.id for run in runs.used.values()], datetime.now(UTC).isoformat(timespec="seconds")
    )
    ReleaseStore(settings.ingest.releases_folder, packaged_base).keep_gate(release, said)
    return checked, said


def _what(about: About) -> dict[str, Any]:
    """All of it but when and where it was made."""
    return asdict(replace(about, made="", dataset="", release=""))
