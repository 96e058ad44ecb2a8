"""The table of routes. A new one is a line here; literal paths stand before those with parameters."""

from __future__ import annotations

from lumnisai_core.local._app import RouteLine
from lumnisai_core.local.routes import responses, tenants, threads

PUBLIC = frozenset({"/v1/health"})

ROUTES: tuple[RouteLine, ...] = (
    ("GET", "/v1/health", tenants.health),
    ("GET", "/v1/tenant", tenants.own),
    ("GET", "/v1/tenants/{tenant_id}", tenants.get),
    ("POST", "/v1/responses", responses.create),
    ("GET", "/v1/responses", responses.list_),
    ("GET", "/v1/responses/{response_id}", responses.get),
    ("POST", "/v1/responses/{response_id}/cancel", responses.cancel),
    ("GET", "/v1/responses/{response_id}/artifacts", responses.artifacts),
    ("POST", "/v1/threads", threads.create),
    ("GET", "/v1/threads", threads.list_),
    ("GET", "/v1/threads/{thread_id}", threads.get),
    ("PATCH", "/v1/threads/{thread_id}", threads.update),
    ("DELETE", "/v1/threads/{thread_id}", threads.delete),
    ("GET", "/v1/threads/{thread_id}/responses", threads.responses),
)
