"""Which tuned embedders learnt from a knowledge base's documents."""

from __future__ import annotations

import json
from pathlib import Path

from app.tuned_embedders import EMBEDDERS, embedders_that_learnt


def test_embedders_name_the_documents_that_they_learnt_from(tmp_path: Path) -> None:
    for name, run in {
        "shop-1": {"data": {"kb/shop": "h"}, "documents": ["a.md", "b.md"]},
        "bank-1": {"data": {"kb/bank": "h"}, "documents": ["a.md"]},
        "odd": {"data": None},
    }.items():
        folder = tmp_path / EMBEDDERS / name
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps(run))
    (tmp_path / EMBEDDERS / "by-hand").mkdir()
    (tmp_path / EMBEDDERS / "torn").mkdir()
    (tmp_path / EMBEDDERS / "torn" / "run.json").write_text("{")
    assert embedders_that_learnt(tmp_path, "shop") == {"shop-1": {"a.md", "b.md"}}
    assert embedders_that_learnt(tmp_path, "nobody") == {}


def test_a_data_folder_without_any_has_none(tmp_path: Path) -> None:
    assert embedders_that_learnt(tmp_path, "shop") == {}
