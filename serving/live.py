"""Which release answers: live, and a canary for a share of the conversations. In the database, for several processes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from ingest.database import ReleaseStateRow
from serving.errors import ReleaseError

PROMOTE, CANARY, ROLLBACK = "promote", "canary", "rollback"


@dataclass(frozen=True, slots=True)
class Roles:
    """References of releases: an id, or the name of a shipped one; "" where nothing was said.

    share: of the conversations that the canary answers, 0 to 1.
    """

    live: str = ""
    canary: str = ""
    share: float = 0.0

    def of(self, conversation: str) -> str:
        """The release of a conversation, always the same while the roles stay; one without an id is answered by the live one."""
        if self.canary and conversation and place_of(conversation, self.canary) < self.share:
            return self.canary
        return self.live


def place_of(conversation: str, canary: str) -> float:
    """Where a conversation falls, 0 to 1; for each canary anew, so that it is not always the same who try things out."""
    digest = hashlib.sha256(f"{canary}\n{conversation}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


class LiveReleases:
    """The roles of a data folder, as its database holds them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def roles(self) -> Roles:
        """What answers now."""
        with Session(self._engine) as session:
            row = _last(session)
            return Roles(row.live, row.canary, row.share) if row is not None else Roles()

    def promote(self, release: str, share: float = 1.0) -> Roles:
        """Let a release answer: everybody, or a share of the conversations.

        Raises:
            ReleaseError: the share is none, or the release is live already.
        """
        if not 0 < share <= 1:
            raise ReleaseError("a share is above 0 and at most 1")
        with Session(self._engine) as session, session.begin():
            last = _last(session)
            live = last.live if last is not None else ""
            if release == live and share < 1:
                raise ReleaseError("that release is live: it answers every conversation already")
            # Of a canary's steps none is worth going back to: a rollback ends what the canary began.
            before = None if last is None else last.before if last.canary else last.id
            if share < 1:
                row = ReleaseStateRow(live=live, canary=release, share=share, action=CANARY, before=before)
            else:
                row = ReleaseStateRow(live=release, action=PROMOTE, before=before)
            session.add(row)
            session.flush()
            return Roles(row.live, row.canary or "", row.share or 0.0)

    def rollback(self) -> Roles:
        """Go back to what answered before: a canary ends, or the live release before this one comes back.

        Raises:
            ReleaseError: there is nothing to go back to.
        """
        with Session(self._engine) as session, session.begin():
            last = _last(session)
            if last is None or (not last.live and not last.canary):
                raise ReleaseError("there is nothing to roll back: no release was promoted")
            earlier = session.get(ReleaseStateRow, last.before) if last.before is not None else None
            live, before = (earlier.live, earlier.before) if earlier is not None else ("", None)
            session.add(ReleaseStateRow(live=live, action=ROLLBACK, before=before))
            return Roles(live)

    def history(self, limit: int = 20) -> list[dict[str, Any]]:
        """What was done, the last first."""
        with Session(self._engine) as session:
            rows = session.scalars(select(ReleaseStateRow).order_by(ReleaseStateRow.id.desc()).limit(limit))
            return [
                {
                    "at": row.created_at.isoformat(),
                    "action": row.action,
                    "live": row.live,
                    "canary": row.canary,
                    "share": row.share,
                }
                for row in rows
            ]


def _last(session: Session) -> ReleaseStateRow | None:
    return session.scalars(select(ReleaseStateRow).order_by(ReleaseStateRow.id.desc()).limit(1)).first()
