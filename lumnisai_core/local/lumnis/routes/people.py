"""People: validated as on the platform, but an embedded service has no data to search."""

from __future__ import annotations

from lumnisai_core.local.lumnis.app import Call, Reply
from lumnisai_core.local.lumnis.replies import dumps
from lumnisai_core.local.lumnis.shapes.integrations import PreviewPosts, QuickSearch
from lumnisai_core.local.web.errors import PeopleError


async def quick_search(call: Call) -> Reply:
    """Refuse: there is no data source."""
    await call.body(QuickSearch)
    raise PeopleError(400, "NO_DATA_SOURCES", "The embedded service has no data sources for people.")


async def preview_posts(call: Call) -> Reply:
    """Tell for each address, in order, that it cannot be read."""
    body = await call.body(PreviewPosts)
    error = "The embedded service does not read posts."
    return Reply(200, dumps({"posts": [{"url": url, "status": "error", "error": error} for url in body.post_urls]}))
