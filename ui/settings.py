"""Settings of the pages, from the environment alone: they run beside the API, or far from it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class UiSettings:
    """Where the API is and how the pages introduce themselves.

    ``FRONTDESK_API_URL``     address of the API
    ``FRONTDESK_API_KEY``     its key; used by the customers' page only, staff sign in with theirs
    ``FRONTDESK_KB``          the knowledge base that customers ask
    ``FRONTDESK_UI_COMPANY``  the name over the chat
    ``FRONTDESK_UI_CONTACT``  how else to reach the company, shown where a person is offered
    """

    api_url: str
    api_key: str | None = field(repr=False)
    kb: str
    company: str
    contact: str

    @classmethod
    def load(cls) -> UiSettings:
        """Read the environment."""
        return cls(
            api_url=os.environ.get("FRONTDESK_API_URL", "http://127.0.0.1:8000").rstrip("/"),
            api_key=os.environ.get("FRONTDESK_API_KEY") or None,
            kb=os.environ.get("FRONTDESK_KB", "default"),
            company=os.environ.get("FRONTDESK_UI_COMPANY", "").strip(),
            contact=os.environ.get("FRONTDESK_UI_CONTACT", "").strip(),
        )
