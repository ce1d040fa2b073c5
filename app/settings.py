"""Settings of the app layer: environment prefix ``FRONTDESK_``, ``.env`` read once."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class AppSettings(BaseSettings):
    """How questions are answered.

    ``FRONTDESK_KB``            the knowledge base when a command names none
    ``FRONTDESK_TOP_K``         passages that reach the prompt
    ``FRONTDESK_QUESTION_MAX``  characters a question may have
    """

    model_config = SettingsConfigDict(env_prefix="FRONTDESK_", env_file=".env", extra="ignore")

    kb: str = "default"
    top_k: int = Field(default=5, ge=1, le=20)
    question_max: int = Field(default=2000, ge=10)
