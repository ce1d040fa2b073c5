"""A release before its gate: the evaluations that the gate's lines need are run, or taken from runs that are kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.answer_evaluation import Asked, Evaluation, Report
from app.workspace import Settings
from finetune.answer_runs import About, AnswerRun, kept_runs
from finetune.gate import PARENT, Checked, Gate, check, verdict
from ingest.errors import FrontdeskError
from serving.batches import PackagedBatchWriter
from serving.costs import measure
from serving.errors import NoSuchRelease
from serving.loading import packaged_base
from serving.packaged import PackagedModel
from serving.parity import parity
from serving.prompts import Message
from serving.release_store import ReleaseStore
from serving.releases import BASE, LIVE, Release

# Prompts that served and trained weights are compared on.
PARITY_PROMPTS = 16
# Figures of an evaluation that a release and its parent are shown with.
SHOWN = ("f1", "contains", "answerable_kept", "refusal_recall")


@dataclass(slots=True)
class GateRuns:
    """The runs of a gate: each made once, kept in the data folder, and taken from there when nothing has changed.

    parent: what the release was converted from, or is to be compared with; None for none.
    fresh:  make each anew.
    """

    gate: Gate
    release: Release
    settings: Settings
    report: Report
    parent: Release | None = None
    fresh: bool = False
    measured: dict[str, dict[str, float]] = field(default_factory=dict)
    used: dict[tuple[str, str], AnswerRun] = field(default_factory=dict)

    def of(self, who: str, evaluation: str) -> AnswerRun:
        """The run of ``this``, ``live``, ``base`` or ``parent`` in an evaluation."""
        if (who, evaluation) not in self.used:
            wanted = {"this": self.release.reference, "live": LIVE, "base": BASE}.get(who) or self._parent().reference
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
        parent = self._parent() if self.release.packed else None
        return parity(*self._where, self.release, self._prompts(PARITY_PROMPTS), parent)

    def costs(self, who: str) -> dict[str, float]:
        """What ``this`` or ``parent`` costs; both are measured at once, with the first evaluation's longest prompt."""
        parent = self._parent()
        if not self.measured:
            self.report("costs", "measuring", 0, 1)
            prompt = max(self._prompts(PARITY_PROMPTS), key=lambda each: sum(len(message.content) for message in each))
            theirs, mine = measure(*self._where, [parent, self.release], prompt)
            self.measured = {PARENT: theirs.as_json(), "this": mine.as_json()}
            self.report("costs", "measuring", 1, 1)
        return self.measured[who]

    def beside(self) -> dict[str, Any] | None:
        """The release and its parent, figure by figure; None where it has none."""
        if self.parent is None:
            return None
        named = {PARENT: self.parent.label, "release": self.release.label, "method": self.release.packed}
        try:
            figures: dict[str, Any] = {n: [self.costs(PARENT)[n], value] for n, value in self.costs("this").items()}
        except FrontdeskError as exc:
            figures = {"costs": str(exc)}
        for name in self.gate.evaluations:
            theirs, mine = (self.of(who, name).report for who in (PARENT, "this"))
            figures |= {f"{name}.{figure}": [theirs.get(figure), mine.get(figure)] for figure in SHOWN}
        return {**named, "figures": figures}

    def _parent(self) -> Release:
        if self.parent is None:
            raise ValueError(f"{self.release.label} has no parent to be compared with: name one with --against")
        return self.parent

    @property
    def _where(self) -> tuple[Path, str]:
        return self.settings.ingest.models_folder, self.settings.serving.packaged_dtype

    def _prompts(self, most: int) -> list[list[Message]]:
        first = next(iter(self.gate.evaluations))
        writer = PackagedBatchWriter(PackagedModel(*self._where, self.release if self.release.folder else None))
        return self.evaluation(self.release.reference, first).prompts(writer, most)


def run_gate(
    gate: Gate, release: Release, settings: Settings, report: Report, *, fresh: bool = False, against: str = ""
) -> tuple[list[Checked], dict[str, Any]]:
    """Look at every line of a gate for a release; the verdict is kept with the release.

    against: the parent to compare with; that which it was converted from when not given.

    Raises:
        ReleaseError: the release is shipped, and needs none.
        FrontdeskError: an evaluation failed.
    """
    store = ReleaseStore(settings.ingest.releases_folder, packaged_base)
    runs = GateRuns(gate, release, settings, report, parent_of(release, store, against), fresh)
    checked = check(gate, runs.of, runs.parity, runs.costs)
    beside = runs.beside()
    at = datetime.now(UTC).isoformat(timespec="seconds")
    said = verdict(gate, checked, [run.id for run in runs.used.values()], at, beside)
    store.keep_gate(release, said)
    return checked, said


def parent_of(release: Release, store: ReleaseStore, against: str = "") -> Release | None:
    """What a release is compared with as its parent; None where it was not converted and nobody named one.

    A release that was trained on top of another has no parent in this sense: who wants the two compared, says so.

    Raises:
        NoSuchRelease: it is not there any more, or another one has its name now.
    """
    if against:
        return store.get(against)
    if not release.parent:
        return None
    parent = store.get(release.parent)
    if parent.id != release.manifest.about.get("parent_id"):
        raise NoSuchRelease(
            f"release {release.label} was made from another {release.parent} than there is now: convert it again, or name "
            "what to compare it with (--against)"
        )
    return parent


def _what(about: About) -> dict[str, Any]:
    """All of it but when and where it was made."""
    return asdict(replace(about, made="", dataset="", release=""))
