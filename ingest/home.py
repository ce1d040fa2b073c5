"""The data folder: made when missing, owned by one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from ingest.errors import DataFolderBusy, SettingsError


class DataFolder:
    """Holds ``FRONTDESK_HOME`` for this process, as a context manager.

    The lock is the kernel's (flock): it goes with the process, however that ends.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def __enter__(self) -> DataFolder:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path / "owner.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise SettingsError(f"FRONTDESK_HOME: cannot use {self.path} ({exc.strerror})") from exc
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            owner = os.pread(descriptor, 32, 0).decode().strip()
            os.close(descriptor)
            raise DataFolderBusy(
                f"the data folder {self.path} is in use by another frontdesk process"
                f"{f' (process {owner})' if owner else ''}: wait until it is done or stop it, or set FRONTDESK_HOME "
                "to another folder"
            ) from exc
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
