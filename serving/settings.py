"""Settings of the serving layer: environment prefix ``FRONTDESK_``, ``.env`` read once."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

# Of a key that other machines may use: shorter ones can be guessed.
SHORTEST_KEY = 16


class ServingSettings(BaseSettings):
    """Which engines there are and how long each may take.

    ``FRONTDESK_ENDPOINT_URL``        base URL of an OpenAI-compatible server, e.g. http://127.0.0.1:8001/v1; several servers of
                                      the same model: comma-separated
    ``FRONTDESK_ENDPOINT_MODEL``      the model to ask for there; needed with the URL
    ``FRONTDESK_ENDPOINT_API_KEY``    its key, if it wants one
    ``FRONTDESK_ENDPOINT_LANGUAGES``  ISO codes the model writes, comma-separated, or ``*`` (default)
    ``FRONTDESK_ENDPOINT_TIMEOUT_S``  seconds for a whole answer; connecting may take 3 of them
    ``FRONTDESK_ENDPOINT_CONTEXT``    tokens of passages put into a prompt
    ``FRONTDESK_PACKAGED``            ``off``: the packaged model is not loaded; without an endpoint, answers are quotes
    ``FRONTDESK_PACKAGED_TIMEOUT_S``  seconds for an answer of the packaged model
    ``FRONTDESK_PACKAGED_DTYPE``      ``auto`` (bfloat16 where the CPU computes it, else float32), or one of the two
    ``FRONTDESK_RELEASE``             ``live``: what was promoted answers; or a release's name or id, whatever is promoted
    ``FRONTDESK_MAX_NEW_TOKENS``      upper bound of a written answer
    ``FRONTDESK_COMPRESSOR_PYTHON``   Python of the environment that llm-compressor is installed in; ``.venv-compressor`` is found without it
    ``FRONTDESK_VLLM_PYTHON``         Python of the environment that vLLM is installed in; ``.venv-serving`` is found without it
    """

    model_config = SettingsConfigDict(env_prefix="FRONTDESK_", env_file=".env", extra="ignore")

    endpoint_url: str | None = None
    endpoint_model: str | None = None
    endpoint_api_key: SecretStr | None = None
    endpoint_languages: Annotated[tuple[str, ...], NoDecode] = ("*",)
    endpoint_timeout_s: float = Field(default=30.0, gt=0)
    endpoint_context: int = Field(default=3000, ge=200)
    packaged: bool = True
    packaged_timeout_s: float = Field(default=60.0, gt=0)
    packaged_dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    release: str = "live"
    max_new_tokens: int = Field(default=160, ge=8, le=4096)
    vllm_python: str | None = None
    compressor_python: str | None = None

    @field_validator("endpoint_api_key", "endpoint_url", "endpoint_model", mode="before")
    @classmethod
    def _blank_is_none(cls, value: object) -> object:
        # A line of .env that was not filled in is no key.
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("endpoint_languages", mode="before")
    @classmethod
    def _split_languages(cls, value: object) -> object:
        return (
            tuple(part.strip().lower() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @property
    def endpoint_urls(self) -> tuple[str, ...]:
        """Each server once, in the order in which they are named."""
        named = (url.strip().rstrip("/") for url in (self.endpoint_url or "").split(","))
        return tuple(dict.fromkeys(filter(None, named)))

    @model_validator(mode="after")
    def _endpoint_is_whole(self) -> ServingSettings:
        if self.endpoint_url and not self.endpoint_model:
            raise ValueError(
                "FRONTDESK_ENDPOINT_URL is set but FRONTDESK_ENDPOINT_MODEL is not: name the model to ask for"
            )
        return self


def is_loopback(host: str) -> bool:
    """Whether an address or host name can be reached from this machine only."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
