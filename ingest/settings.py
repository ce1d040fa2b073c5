"""Settings of the ingest layer: environment prefix ``FRONTDESK_``, ``.env`` read once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ingest.errors import SettingsError
from ingest.index.tuning import Cluster, Quantization, Tuning
from ingest.sources.hosts import HostPattern

ENV_PREFIX = "FRONTDESK_"
SettingsT = TypeVar("SettingsT", bound=BaseSettings)


class IngestSettings(BaseSettings):
    """Where data lives, which embedder makes the vectors, and which engine keeps them.

    ``FRONTDESK_HOME``                 data folder (default ``./.frontdesk``)
    ``FRONTDESK_FILES``                received files, where several machines share them; default inside the data folder
    ``FRONTDESK_MODELS``               packaged models made ready for this machine, where several data folders share them;
                                       default inside the data folder
    ``FRONTDESK_RELEASES``             releases of the model, where several machines share them; default inside the data folder
    ``FRONTDESK_DATABASE_URL``         SQLAlchemy URL; default is SQLite inside the data folder
    ``FRONTDESK_EMBEDDING_MODEL``      ``packaged``, a folder, or a hub name such as ``BAAI/bge-m3``
    ``FRONTDESK_EMBEDDING_LANGUAGES``  ISO codes the embedder knows, comma-separated, or ``*``
    ``FRONTDESK_EMBEDDING_PRECISION``  ``auto``: passages are embedded with int8 weights or in bfloat16 where that is
                                       faster; or ``float32``
    ``FRONTDESK_CHUNK_TOKENS``         upper bound of a chunk, in the embedder's tokens
    ``FRONTDESK_PARSE_MEMORY_MIB``     memory that reading one file may take
    ``FRONTDESK_PARSE_LONGEST_S``      seconds that reading one file may take at most, however large it is
    ``FRONTDESK_VECTOR_ENGINE``        ``edge`` (in-process) or ``server``
    ``FRONTDESK_QDRANT_URL``           address of the Qdrant server, for ``server``
    ``FRONTDESK_QDRANT_API_KEY``       its key, if it wants one
    ``FRONTDESK_QDRANT_TIMEOUT_S``     seconds that one request to it may take
    ``FRONTDESK_QDRANT_TRIES``         attempts at a request that met something that may pass
    ``FRONTDESK_QDRANT_SHARDS``        shards of a collection, when it is made; the server decides when not set
    ``FRONTDESK_QDRANT_REPLICAS``      copies of each shard, when a collection is made
    ``FRONTDESK_QDRANT_WRITE_CONSISTENCY``  copies that must have a write before it counts as done
    ``FRONTDESK_INDEX_QUANTIZATION``   ``none``; ``int8`` or ``binary``: candidates are found by small copies of the vectors
    ``FRONTDESK_INDEX_RESCORE``        whether those candidates are ranked by the vectors themselves
    ``FRONTDESK_INDEX_OVERSAMPLING``   how many times more candidates than hits
    ``FRONTDESK_INDEX_ON_DISK``        leave vectors and their graph on the disk
    ``FRONTDESK_SOURCE_FOLDERS``       folders that HTTP clients may name as sources, comma-separated; none by default
    ``FRONTDESK_URL_ALLOW``            hosts that pages may be fetched from: ``help.example.com, *.example.org``, with
                                       scheme and port where they are not the usual ones; none by default
    ``FRONTDESK_URL_ALLOW_PRIVATE``    those of them that may lie in a private network
    ``FRONTDESK_URL_MAX_MB``           megabytes that one fetched file may have, unpacked
    ``FRONTDESK_URL_TIMEOUT_S``        seconds that fetching one file may take
    ``FRONTDESK_S3_ENDPOINT_URL``      address of an S3-compatible server; Amazon's when not set
    ``FRONTDESK_S3_ACCESS_KEY``        its key; without one only public buckets can be read
    ``FRONTDESK_S3_SECRET_KEY``        the secret that belongs to the key
    ``FRONTDESK_S3_REGION``            the bucket's region, where the server wants one
    """

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_file=".env", extra="ignore")

    home: Path = Path(".frontdesk")
    files: Path | None = None
    models: Path | None = None
    releases: Path | None = None
    database_url: SecretStr | None = None
    embedding_model: str = "packaged"
    embedding_languages: Annotated[tuple[str, ...] | None, NoDecode] = None
    embedding_precision: Literal["auto", "float32"] = "auto"
    chunk_tokens: int = Field(default=256, ge=64, le=4096)
    parse_memory_mib: int = Field(default=1024, ge=512)
    parse_longest_s: float = Field(default=7200.0, ge=10)
    vector_engine: Literal["edge", "server"] = "edge"
    qdrant_url: str | None = None
    qdrant_api_key: SecretStr | None = None
    qdrant_timeout_s: float = Field(default=10.0, gt=0)
    qdrant_tries: int = Field(default=4, ge=1)
    qdrant_shards: int | None = Field(default=None, ge=1)
    qdrant_replicas: int | None = Field(default=None, ge=1)
    qdrant_write_consistency: int | None = Field(default=None, ge=1)
    index_quantization: Quantization = "none"
    index_rescore: bool = True
    index_oversampling: float = Field(default=2.0, ge=1)
    index_on_disk: bool = False
    source_folders: Annotated[tuple[Path, ...], NoDecode] = ()
    url_allow: Annotated[tuple[str, ...], NoDecode] = ()
    url_allow_private: Annotated[tuple[str, ...], NoDecode] = ()
    url_max_mb: int = Field(default=50, ge=1)
    url_timeout_s: float = Field(default=60.0, gt=0)
    s3_endpoint_url: str | None = None
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    s3_region: str | None = None

    @field_validator("source_folders", "url_allow", "url_allow_private", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("url_allow", "url_allow_private")
    @classmethod
    def _host_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            HostPattern.parse(pattern)
        return value

    @model_validator(mode="after")
    def _both_keys(self) -> IngestSettings:
        if (self.s3_access_key is None) != (self.s3_secret_key is None):
            raise ValueError("FRONTDESK_S3_ACCESS_KEY and FRONTDESK_S3_SECRET_KEY belong together: set both or none")
        return self

    @field_validator("embedding_languages", mode="before")
    @classmethod
    def _split_languages(cls, value: object) -> object:
        return (
            tuple(part.strip().lower() for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

    @property
    def tuning(self) -> Tuning:
        """How the engines keep and search vectors."""
        return Tuning(self.index_quantization, self.index_rescore, self.index_oversampling, self.index_on_disk)

    @property
    def cluster(self) -> Cluster:
        """How a server lays a collection out."""
        return Cluster(self.qdrant_shards, self.qdrant_replicas, self.qdrant_write_consistency, tries=self.qdrant_tries)

    @property
    def files_folder(self) -> Path:
        """Where received files lie."""
        return self.files if self.files is not None else self.home / "files"

    @property
    def models_folder(self) -> Path:
        """Where models that were made ready for this machine lie."""
        return self.models if self.models is not None else self.home / "models"

    @property
    def releases_folder(self) -> Path:
        """Where releases lie."""
        return self.releases if self.releases is not None else self.home / "releases"

    @property
    def shared(self) -> bool:
        """Whether other processes may work on the same knowledge bases: both stores are servers then."""
        return self.vector_engine == "server" and self.sqlalchemy_url.startswith("postgres")

    @property
    def sqlalchemy_url(self) -> str:
        """The database to open; SQLite in the data folder unless one is named."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.home / 'frontdesk.db'}"


def load_settings(kind: type[SettingsT]) -> SettingsT:
    """Read settings from the environment; one line that names the variable when they are wrong.

    Raises:
        SettingsError: a value is missing or cannot be used.
    """
    try:
        return kind()
    except ValidationError as exc:
        problem = exc.errors()[0]
        variable = ENV_PREFIX + "_".join(str(part) for part in problem["loc"]).upper()
        said = problem["msg"].removeprefix("Value error, ")
        # A rule over several settings names them itself.
        where = f"{variable}: " if problem["loc"] else ""
        raise SettingsError(f"{where}{said} (check the environment and .env)") from exc
