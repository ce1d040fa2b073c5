"""What may go wrong with a request to a Qdrant server: what may pass, how long to wait, and our error for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tenacity import RetryCallState

from ingest.errors import IndexUnavailable
from ingest.index.tuning import Cluster


def may_pass(exc: BaseException) -> bool:
    """Whether a failure may mend itself: no connection, too many requests, a server in trouble."""
    import httpx
    from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    if isinstance(exc, ResponseHandlingException):
        return isinstance(exc.source, httpx.TransportError)
    if isinstance(exc, UnexpectedResponse):
        return exc.status_code == 429 or (exc.status_code or 0) >= 500
    return isinstance(exc, ResourceExhaustedResponse)


def pause(state: RetryCallState, cluster: Cluster) -> float:
    """Seconds to wait: what the server asks for, or twice as long as before."""
    asked = getattr(met(state), "retry_after_s", None)
    doubled = cluster.pause_s * 2 ** (state.attempt_number - 1)
    return float(min(cluster.longest_pause_s, max(doubled, float(asked or 0))))


def met(state: RetryCallState) -> BaseException | None:
    """What the last try met."""
    return state.outcome.exception() if state.outcome is not None else None


def reason(exc: BaseException | None) -> str:
    """A failure in one line."""
    return str(exc).splitlines()[0] if str(exc) else type(exc).__name__


@contextmanager
def translated() -> Iterator[None]:
    """Failures of the client and of what carries its requests become IndexUnavailable."""
    import httpx
    from qdrant_client.common.client_exceptions import QdrantException
    from qdrant_client.http.exceptions import ApiException, ResponseHandlingException

    try:
        yield
    except (QdrantException, ApiException, ResponseHandlingException, httpx.HTTPError) as exc:
        raise IndexUnavailable(
            f"the Qdrant server does not do its work ({reason(exc)}): check FRONTDESK_QDRANT_URL, FRONTDESK_QDRANT_API_KEY "
            "and that the server is up"
        ) from exc
