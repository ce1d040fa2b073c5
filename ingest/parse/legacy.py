"""Files of old Office (.doc, .xls, .ppt): converted by LibreOffice where it is installed, then read like new ones."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ingest.errors import DamagedFile, LimitExceeded, PasswordProtected, UnsupportedFormat
from ingest.parse.archive import LIMITS, ArchiveLimits, check_zip
from ingest.schema import ParsedDocument

_NEW = {"doc": "docx", "xls": "xlsx", "ppt": "pptx"}
_FILTERS = {
    "docx": "docx:MS Word 2007 XML",
    "xlsx": "xlsx:Calc MS Excel 2007 XML",
    "pptx": "pptx:Impress MS PowerPoint 2007 XML",
}
_PROGRAMS = ("soffice", "libreoffice")
_SECONDS = 120
# No macro runs, no link is followed, nothing is asked.
_PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema">
<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="MacroSecurityLevel" oor:op="fuse">
<value>3</value></prop><prop oor:name="DisableMacrosExecution" oor:op="fuse"><value>true</value></prop>
<prop oor:name="BlockUntrustedRefererLinks" oor:op="fuse"><value>true</value></prop>
<prop oor:name="DisableActiveContent" oor:op="fuse"><value>true</value></prop></item>
<item oor:path="/org.openoffice.Office.Writer/Content/Update"><prop oor:name="Link" oor:op="fuse"><value>0</value></prop>
</item>
<item oor:path="/org.openoffice.Office.Calc/Content/Update"><prop oor:name="Link" oor:op="fuse"><value>1</value></prop>
</item>
</oor:items>
"""


def find_office() -> str | None:
    """The LibreOffice program on this machine, or None."""
    return next((found for program in _PROGRAMS if (found := shutil.which(program))), None)


def parse_legacy(path: Path, name: str, file_format: str, limits: ArchiveLimits = LIMITS) -> ParsedDocument:
    """A .doc, .xls or .ppt file.

    Raises:
        PasswordProtected: it is encrypted.
        UnsupportedFormat: LibreOffice is not installed.
        LimitExceeded: the conversion takes too long.
        DamagedFile: LibreOffice cannot read it.
    """
    refuse_encrypted_legacy(path, name)
    new = _NEW[file_format]
    program = find_office()
    if program is None:
        raise UnsupportedFormat(
            f"{name}: this kind of file is read through LibreOffice, which is not installed on the server; "
            f"save it as .{new}, or have LibreOffice installed."
        )
    with tempfile.TemporaryDirectory(prefix="frontdesk-office-") as folder:
        converted = _convert(program, path, name, file_format, Path(folder))
        check_zip(converted, name, limits)
        return replace(_parser(new)(converted, name), format=file_format)


def refuse_encrypted_legacy(path: Path, name: str) -> None:
    """Raise PasswordProtected when a file of old Office is encrypted."""
    import msoffcrypto

    with path.open("rb") as file:
        try:
            encrypted = bool(msoffcrypto.OfficeFile(file).is_encrypted())
        except Exception:  # noqa: BLE001  # a damaged file makes it raise anything, and LibreOffice mends many
            return
    if encrypted:
        raise PasswordProtected(f"{name}: the file needs a password; save a copy without one.")


def _convert(program: str, path: Path, name: str, file_format: str, folder: Path) -> Path:
    profile, out = folder / "profile", folder / "out"
    (profile / "user").mkdir(parents=True)
    (profile / "user" / "registrymodifications.xcu").write_text(_PROFILE, encoding="utf-8")
    # A name of our own: LibreOffice judges by the suffix, and the user's name might be an option.
    source = folder / f"input.{file_format}"
    shutil.copyfile(path, source)
    new = _NEW[file_format]
    arguments = [
        program, "--headless", "--norestore", "--nologo", "--nodefault", "--nolockcheck", "--nofirststartwizard",
        f"-env:UserInstallation={profile.as_uri()}", "--convert-to", _FILTERS[new], "--outdir", str(out), str(source),
    ]  # fmt: skip
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "TMPDIR": str(folder), "LC_ALL": "C.UTF-8"}
    # In a group of its own, since the program starts another: both must end.
    process = subprocess.Popen(  # noqa: S603  # a fixed program, no shell, paths of our own
        arguments, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        process.wait(_SECONDS)
    except subprocess.TimeoutExpired as exc:
        raise LimitExceeded(
            f"{name}: LibreOffice took longer than {_SECONDS} seconds over it; save it as .{new}."
        ) from exc
    finally:
        _end(process)
    converted = out / f"input.{new}"
    if not converted.is_file():
        raise DamagedFile(f"{name}: LibreOffice cannot read the file; open it and save it as .{new}.")
    return converted


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.wait()


def _parser(file_format: str) -> Callable[[Path, str], ParsedDocument]:
    if file_format == "docx":
        from ingest.parse.word import parse_docx

        return parse_docx
    if file_format == "xlsx":
        from ingest.parse.sheets import parse_xlsx

        return parse_xlsx
    from ingest.parse.slides import parse_pptx

    return parse_pptx
