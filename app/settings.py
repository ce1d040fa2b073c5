"""Settings of the app layer: environment prefix ``FRONTDESK_``, ``.env`` read once."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from serving.settings import SHORTEST_KEY, is_loopback


class AppSettings(BaseSettings):
    """How questions are answered and how the HTTP API is reached.

    ``FRONTDESK_KB``                the knowledge base when a command or request names none
    ``FRONTDESK_TOP_K``             passages that reach the prompt
    ``FRONTDESK_NEIGHBOURS``        whether passages are shown with the chunks that they go on in
    ``FRONTDESK_PASSAGE_ORDER``     in prompts of an endpoint: ``rank``, the best first, or ``stable``, so that its prefix cache finds them again
    ``FRONTDESK_QUESTION_MAX``      characters a question may have
    ``FRONTDESK_ANSWER_TIMEOUT_S``  seconds for a whole answer over HTTP, all rungs together
    ``FRONTDESK_SPELLING``          whether slips of the pen in English questions are searched for corrected, too
    ``FRONTDESK_HOST``              address the API binds; anything but loopback needs a key
    ``FRONTDESK_PORT``              its port
    ``FRONTDESK_API_URL``           where the trainer reaches the server; on the server's machine it finds it by itself
    ``FRONTDESK_API_KEY``           the key that every request must carry; without one only loopback is served
    ``FRONTDESK_UPLOAD_MAX_MB``     megabytes that one upload request may have
    ``FRONTDESK_UPLOAD_MAX_FILES``  files that one upload request may have
    ``FRONTDESK_BODY_TIMEOUT_S``    seconds a client may fall silent in the middle of a request's body
    ``FRONTDESK_CACHE_QUERIES``     vectors of questions that are kept; 0 for none
    ``FRONTDESK_CACHE_ANSWERS``     answers that are kept for the same question; 0 for none
    ``FRONTDESK_CACHE_TTL_S``       seconds that an answer is given again
    ``FRONTDESK_CACHE_SEMANTIC``    whether a question that means the same gets a kept answer
    ``FRONTDESK_CACHE_SIMILARITY``  cosine from which that is looked at
    ``FRONTDESK_CURATED_SEMANTIC``  whether a question that means the same gets a curated answer
    ``FRONTDESK_CURATED_SIMILARITY``  cosine from which that is looked at
    ``FRONTDESK_RERANKER``          a CrossEncoder that scores the best candidates again: a folder or a hub name; none by default
    ``FRONTDESK_RERANK_CANDIDATES``  how many of them
    ``FRONTDESK_RERANK_SHARE``      what it has to say beside the order so far; 1 replaces that
    ``FRONTDESK_RERANK_TIMEOUT_S``  seconds after which the order stays as it was
    ``FRONTDESK_VERIFIER``          what gives a second opinion on what can be answered: ``packaged``, a folder of a verifier
                                    (`python -m finetune.verifier`), or ``off``
    """

    model_config = SettingsConfigDict(env_prefix="FRONTDESK_", env_file=".env", extra="ignore")

    kb: str = "default"
    top_k: int = Field(default=5, ge=1, le=20)
    neighbours: bool = False
    passage_order: Literal["rank", "stable"] = "rank"
    question_max: int = Field(default=2000, ge=10)
    answer_timeout_s: float = Field(default=120.0, gt=0)
    spelling: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    api_url: str | None = None
    api_key: SecretStr | None = None
    upload_max_mb: int = Field(default=200, ge=1)
    upload_max_files: int = Field(default=100, ge=1, le=1000)
    body_timeout_s: float = Field(default=60.0, gt=0)
    cache_queries: int = Field(default=10_000, ge=0)
    cache_answers: int = Field(default=2000, ge=0)
    cache_ttl_s: float = Field(default=3600.0, gt=0)
    cache_semantic: bool = False
    cache_similarity: float = Field(default=0.85, gt=0, le=1)
    curated_semantic: bool = True
    curated_similarity: float = Field(default=0.9, gt=0, le=1)

    reranker: str = ""
    rerank_candidates: int = Field(default=10, ge=2, le=100)
    rerank_share: float = Field(default=1.0, gt=0, le=1)
    rerank_timeout_s: float = Field(default=1.0, gt=0)
    verifier: str = "packaged"

    @field_validator("api_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_KEY:
            raise ValueError(f"the key must have at least {SHORTEST_KEY} characters (openssl rand -hex 24 makes one)")
        return value

    @model_validator(mode="after")
    def _loopback_without_key(self) -> AppSettings:
        if self.api_key is None and not is_loopback(self.host):
            raise ValueError(
                f"FRONTDESK_HOST={self.host} would serve other machines without a key: set FRONTDESK_API_KEY "
                "(openssl rand -hex 24 makes one), or bind 127.0.0.1"
            )
        return self
