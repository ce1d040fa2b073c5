"""What the programs with durable workflows (DBOS) have in common: ingestion in the server, training in the trainer."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from dbos import Serializer
from sqlalchemy import make_url


class JsonSerializer(Serializer):
    """Arguments and results as JSON: nothing that is read back can run code, and a person can read it."""

    def serialize(self, data: Any) -> str:
        """To text; what JSON does not know becomes its description."""
        return json.dumps(data, default=str)

    def deserialize(cls, serialized_data: str) -> Any:  # noqa: N805 - the base class names it so
        """Back from text."""
        return json.loads(serialized_data)

    def name(self) -> str:
        """Stored beside each value."""
        return "frontdesk_json"


def workflow_database(url: str) -> str | None:
    """Where workflows are kept beside a database: PostgreSQL itself; None for SQLite, which gets a file of its own."""
    return url if make_url(url).get_backend_name() == "postgresql" else None


def executor_id(path: Path) -> str:
    """The name of a program among those that share a database; made once, kept for ever in this file."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(uuid.uuid4().hex)
    return path.read_text().strip()
