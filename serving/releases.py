"""Releases: what answers customers, as one thing that can be compared, promoted and rolled back.

A release is a base model with an adapter or with merged weights, the prompt that it is asked by, and the parts that it was
measured with. Its id is the SHA-256 of its manifest, which holds the hash of every file: same id, same answers. They lie in
``FRONTDESK_HOME/releases/<id>/`` with ``release.json``. ``base`` (the packaged model) and ``support`` (where it is shipped)
are there without being added.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from serving.errors import DamagedRelease, ReleaseError, UnsafeRelease
from serving.gguf_file import check_gguf
from serving.prompts import PROMPT_VERSION

ADAPTER, MERGED, GGUF, BASE_KIND = "adapter", "merged", "gguf", "base"
BASE, SUPPORT, LIVE = "base", "support", "live"
MANIFEST = "release.json"
Kind = Literal["base", "adapter", "merged", "gguf"]
PromptKind = Literal["brief", "full"]
# What a release may be made of. Everything else could hold code, or be read by something that runs it. A GGUF file is numbers
# and names like safetensors; the chat template in it is run in the same sandbox as one beside the weights.
_WEIGHTS = frozenset({".safetensors", ".gguf"})
_KNOWN = _WEIGHTS | {".json", ".txt", ".jinja"}
# Written beside weights by trainers; left out.
_LEFT_OUT = frozenset({"README.md", ".gitattributes", "release-draft.json", "gate.json", MANIFEST})
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_NEEDED = {ADAPTER: ("adapter_config.json", "adapter_model.safetensors"), MERGED: ("config.json",)}


@dataclass(frozen=True, slots=True)
class Base:
    """The model that a release is made on, by name and content."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Learnt:
    """A passage that a release was trained on: where it stood, and the hash of its text."""

    kb: str
    document: str
    text_hash: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a release is.

    files:      SHA-256 by name.
    prompt:     ``brief`` for an untuned small model, ``full`` for one that was trained on the whole prompt.
    small:      held to the limits of a small model (``ChatEngine.small``).
    context:    tokens that its prompt may have.
    languages:  ISO codes that it writes.
    embedder, reranker, verifier, thresholds: what it was measured with; the settings decide what is used.
    learnt_from: passages that it was trained on, so that a deletion can name it.
    about:      whatever its maker wants to be known: recipe, dataset.
    """

    name: str
    kind: Kind
    base: Base
    files: Mapping[str, str] = field(default_factory=dict)
    prompt: PromptKind = "full"
    prompt_version: str = PROMPT_VERSION
    small: bool = True
    context: int = 800
    languages: tuple[str, ...] = ("en",)
    embedder: str = "packaged"
    reranker: str = ""
    verifier: str = "packaged"
    thresholds: str = ""
    learnt_from: tuple[Learnt, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """SHA-256 of it all."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Manifest:
        """A manifest as JSON holds it.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        learnt = tuple(Learnt(**each) for each in values.get("learnt_from", ()))
        known = {**values, "base": Base(**values["base"]), "learnt_from": learnt}
        if "languages" in known:
            known["languages"] = tuple(known["languages"])
        if not all(isinstance(known.get(name, {}), Mapping) for name in ("files", "about")):
            raise TypeError("files and about are objects")
        manifest = cls(**known)
        if manifest.kind not in (BASE_KIND, ADAPTER, MERGED, GGUF) or manifest.prompt not in ("brief", "full"):
            raise ValueError("kind is base, adapter, merged or gguf; prompt is brief or full")
        return manifest


@dataclass(frozen=True, slots=True)
class Release:
    """A release that is there.

    folder: where its files are; None of the packaged model itself.
    shipped: it comes with frontdesk, and needs no gate.
    """

    manifest: Manifest
    folder: Path | None = None
    shipped: bool = False
    added: str = ""

    @property
    def id(self) -> str:
        """SHA-256 of its manifest."""
        return self.manifest.id

    @property
    def name(self) -> str:
        """Its name; that of a shipped one is its place, whatever it was called where it was made."""
        return self.manifest.name if not self.shipped else BASE if self.folder is None else SUPPORT

    @property
    def label(self) -> str:
        """As answers name it: unique, and readable."""
        return self.name if self.shipped else f"{self.name}@{self.id[:12]}"

    @property
    def parent(self) -> str:
        """Label of the release that it was converted from; "" where it was not.

        Of one that was trained further, ``about`` names a ``parent``, too: it is another model, and is gated by itself.
        """
        about = self.manifest.about
        return str(about.get("parent", "")) if about.get("parent_id") else ""

    @property
    def packed(self) -> str:
        """How its weights were made smaller; "" where they were not."""
        return str(self.manifest.about.get("method", "")) if self.parent else ""

    @property
    def size(self) -> int:
        """Bytes of its files; 0 of the packaged model, which is converted where it is needed."""
        return sum((self.folder / name).stat().st_size for name in self.manifest.files) if self.folder else 0

    @property
    def reference(self) -> str:
        """What stands for it in the database: its id, or the name of a shipped one, which keeps its role over updates."""
        return self.name if self.shipped else self.id

    def verify(self) -> None:
        """See that every file is what it was, and that there is no other.

        Raises:
            DamagedRelease: one is missing, was changed, or was put there.
        """
        if self.folder is None:
            return
        found = {path.name for path in self.folder.iterdir() if path.suffix in _WEIGHTS or path.suffix not in _KNOWN}
        if foreign := sorted(found - set(self.manifest.files) - _LEFT_OUT):
            raise DamagedRelease(f"release {self.label}: {foreign[0]} does not belong to it; add the release again")
        for name, wanted in self.manifest.files.items():
            try:
                actual = file_hash(self.folder / name)
            except OSError as exc:
                raise DamagedRelease(
                    f"release {self.label}: {name} cannot be read ({exc.strerror}); add it again"
                ) from exc
            if actual != wanted:
                raise DamagedRelease(
                    f"release {self.label}: {name} was changed since the release was added; add it again"
                )

    def problem(self) -> str:
        """Why it could not be asked as it was trained, without reading its files; "" when nothing speaks against it."""
        if self.manifest.prompt_version != PROMPT_VERSION:
            return (
                f"release {self.label} was made for prompts of version {self.manifest.prompt_version}, and "
                f"{PROMPT_VERSION} is what is written now: train it again"
            )
        return ""

    def rank(self) -> int:
        """Of its LoRA adapter; 0 where it has none.

        Raises:
            DamagedRelease: its configuration cannot be read.
        """
        if self.folder is None or self.manifest.kind != ADAPTER:
            return 0
        try:
            return int(json.loads((self.folder / "adapter_config.json").read_text(encoding="utf-8"))["r"])
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise DamagedRelease(f"release {self.label}: its adapter_config.json cannot be read; add it again") from exc

    def learnt(self, kb: str, documents: Iterable[str], text_hashes: Iterable[str]) -> bool:
        """Whether it was trained on one of some documents of a knowledge base, or on one of some texts."""
        names, hashes = set(documents), set(text_hashes) - {""}
        return any(
            (each.kb == kb and each.document in names) or each.text_hash in hashes for each in self.manifest.learnt_from
        )

    def as_json(self) -> dict[str, Any]:
        """As commands and API show it."""
        return {
            "id": self.id,
            "label": self.label,
            "shipped": self.shipped,
            "added": self.added,
            **asdict(self.manifest),
        }


def check_files(folder: Path) -> dict[str, str]:
    """SHA-256 of the files that a release from this folder would have.

    Raises:
        UnsafeRelease: the folder holds what could run code.
        ReleaseError: it is no folder of a model.
    """
    if not folder.is_dir():
        raise ReleaseError(f"{folder} is no folder: name the one that holds an adapter or a model")
    files = {}
    for path in sorted(folder.iterdir()):
        if path.name in _LEFT_OUT:
            continue
        if path.is_symlink() or not path.is_file():
            raise UnsafeRelease(f"{path.name} in {folder} is no plain file: a release is made of plain files only")
        if path.suffix not in _KNOWN:
            raise UnsafeRelease(
                f"{path.name} in {folder} could hold code: a release is made of safetensors or GGUF, and of JSON files; remove it, or "
                "save the model anew with safe_serialization"
            )
        if path.suffix == ".gguf" and (wrong := check_gguf(path)):
            raise UnsafeRelease(f"{wrong}, so what would read it cannot be known: remove it from {folder}")
        files[path.name] = file_hash(path)
    for name in ("config.json", "adapter_config.json", "tokenizer_config.json"):
        if name in files:
            _check_config(folder / name)
    return files


def kind_of(files: Iterable[str]) -> Kind:
    """What a folder with these files holds.

    Raises:
        ReleaseError: neither an adapter nor a model.
    """
    names = set(files)
    if all(name in names for name in _NEEDED[ADAPTER]):
        return "adapter"
    if all(name in names for name in _NEEDED[MERGED]) and any(name.endswith(".safetensors") for name in names):
        return "merged"
    if sum(name.endswith(".gguf") for name in names) == 1:
        return "gguf"
    raise ReleaseError(
        "the folder holds neither an adapter (adapter_model.safetensors) nor a model (model.safetensors, or one GGUF file)"
    )


def _check_config(path: Path) -> None:
    """See that a library that reads this imports nothing because of it."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ReleaseError(f"{path} cannot be read as JSON: {exc}") from exc
    if not isinstance(config, dict):
        raise ReleaseError(f"{path} is no JSON object")
    for name in ("auto_map", "auto_mapping", "megatron_config", "custom_pipelines"):
        if config.get(name):
            raise UnsafeRelease(f"{path.name} names code to import ({name}): frontdesk runs no code of a model folder")
    if path.name == "adapter_config.json" and config.get("peft_type") != "LORA":
        raise UnsafeRelease(f"{path.name}: only LoRA adapters are served, this one is {config.get('peft_type')!r}")


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checked_name(name: str) -> str:
    """A name that a release may have.

    Raises:
        ReleaseError: it may not.
    """
    if not _NAME.fullmatch(name) or name in (BASE, SUPPORT, LIVE):
        raise ReleaseError(
            f"{name!r} cannot name a release: small letters, digits, dots and dashes; not base, support, live"
        )
    return name


def read_release(folder: Path, *, shipped: bool = False) -> Release:
    """A release as ``release.json`` has it; its files are not looked at.

    Raises:
        DamagedRelease: the manifest cannot be read, or is not the one that its id is of.
    """
    try:
        kept = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        release = Release(Manifest.of(kept["manifest"]), folder, shipped, str(kept.get("added", "")))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise DamagedRelease(f"{folder / MANIFEST} cannot be read: {exc}") from exc
    if release.id != kept.get("id"):
        raise DamagedRelease(f"{folder / MANIFEST} was changed since the release was added; add it again")
    if any(Path(name).name != name for name in release.manifest.files):
        raise DamagedRelease(f"{folder / MANIFEST} names files outside its folder")
    return release


def write_manifest(release: Release) -> None:
    """Write ``release.json`` into its folder."""
    if release.folder is None:
        raise ReleaseError("the packaged model has no folder of its own")
    body = {"id": release.id, "added": release.added, "manifest": asdict(release.manifest)}
    (release.folder / MANIFEST).write_text(json.dumps(body, ensure_ascii=False, indent=1), encoding="utf-8")


def base_release(base: Base) -> Release:
    """The packaged model as a release."""
    manifest = Manifest(BASE, "base", base, prompt="brief", small=True)
    return Release(manifest, shipped=True)


def newest_first(releases: Sequence[Release]) -> list[Release]:
    """In the order of their adding, the last first; shipped ones in front."""
    own = sorted((each for each in releases if not each.shipped), key=lambda each: each.added, reverse=True)
    return [*(each for each in releases if each.shipped), *own]
