"""Make the files of the example company from `content/`, in English and in Chinese.

    python examples/make_files.py            write examples/files
    python examples/make_files.py --check    exit 1 if examples/files differs in text from what would be written

Two runs give the same bytes with the same library versions. The Chinese PDFs need the Debian package
fonts-wqy-microhei on the machine that makes them, not on the one that reads them.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from formats import office, pdf, web
from formats.reading import pages_of
from formats.source import load

HERE = Path(__file__).resolve().parent
CONTENT = HERE / "content"
FILES = HERE / "files"

# What each source becomes; sources with the ending of a file that customers read are copied.
TARGETS = {
    "returns-policy": ".pdf",
    "dishwasher-manual": ".pdf",
    "washing-machine-manual": ".pdf",
    "warranty": ".docx",
    "product-range": ".pptx",
    "price-list": ".xlsx",
    "faq": ".html",
    "delivery-and-installation": ".md",
    "safety-notice": ".txt",
    "stores": ".csv",
}


def main() -> int:
    """Write the files, or compare them with what would be written."""
    parser = argparse.ArgumentParser(description="Make the files of the example company.")
    parser.add_argument("--check", action="store_true", help="compare, write nothing, exit 1 on a difference")
    if not parser.parse_args().check:
        for path in make_all(FILES):
            print(path.relative_to(HERE))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        make_all(Path(folder))
        different = differences(Path(folder), FILES)
    for line in different:
        print(line)
    print(f"{len(different)} files differ" if different else "all files are up to date")
    return 1 if different else 0


def make_all(target: Path) -> list[Path]:
    """Write every file under `target`, one folder a language, and return the paths."""
    made = []
    for language in ("en", "zh"):
        folder = target / language
        folder.mkdir(parents=True, exist_ok=True)
        for source in sorted((CONTENT / language).iterdir()):
            made.append(make_one(source, folder, language))
    return made


def make_one(source: Path, folder: Path, language: str) -> Path:
    """Write the file of one source and return its path."""
    ending = TARGETS[source.stem.removesuffix("-zh")]
    target = folder / f"{source.stem}{ending}"
    if ending == ".xlsx":
        office.write_xlsx(json.loads(source.read_text(encoding="utf-8")), target, language)
    elif ending == source.suffix:
        # Spreadsheet programs take a CSV without this mark for a file in the system's own encoding.
        encoding = "utf-8-sig" if (ending, language) == (".csv", "zh") else "utf-8"
        target.write_text(source.read_text(encoding="utf-8"), encoding=encoding, newline="\n")
    else:
        writers = {".pdf": pdf.write, ".docx": office.write_docx, ".pptx": office.write_pptx, ".html": web.write}
        writers[ending](load(source), target, language)
    return target


def differences(made: Path, committed: Path) -> list[str]:
    """One line for each file that is missing, left over or different in text."""
    paths = {path.relative_to(root) for root in (made, committed) for path in root.rglob("*.*") if path.is_file()}
    lines = []
    for path in sorted(paths):
        if not (committed / path).exists():
            lines.append(f"missing: {path}")
        elif not (made / path).exists():
            lines.append(f"has no source: {path}")
        elif pages_of(made / path) != pages_of(committed / path):
            lines.append(f"differs: {path}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
