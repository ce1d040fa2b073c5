"""The model servers of a workspace, wired to what watches them: those that are named in the settings, else those found beside."""

from __future__ import annotations

from app.workspace import Workspace
from serving.announcements import Announced, left_behind
from serving.pool import Backend, PooledEngine
from serving.server_watch import ModelServer, ServerWatch, servers_at


def watch_of(workspace: Workspace) -> ServerWatch:
    """Watches a workspace's model servers, once it is started."""

    def servers() -> list[ModelServer]:
        serving = workspace.settings.serving
        if serving.endpoint_urls:
            key = serving.endpoint_api_key.get_secret_value() if serving.endpoint_api_key else ""
            return servers_at(serving.endpoint_urls, key, serving.endpoint_model or "")
        return [_watched(found) for found in workspace.served.announced()]

    def backends() -> list[Backend]:
        if workspace.settings.serving.endpoint_urls:
            return [b for engine in workspace.engines if isinstance(engine, PooledEngine) for b in engine.backends]
        return workspace.served.backends()

    def killed() -> list[ModelServer]:
        return [_watched(found) for found in left_behind(workspace.settings.ingest.home)]

    return ServerWatch(servers, backends, killed=killed)


def _watched(found: Announced) -> ModelServer:
    return ModelServer(found.url, found.key, found.release)
