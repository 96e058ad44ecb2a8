"""Stored rows as wire JSON. Columns that already hold JSON are spliced in as they are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from lumnisai_core.local._store import RunRow, TenantRow, ThreadRow
from lumnisai_core.local._times import tenant_id_of


def dumps(value: Any) -> str:
    """Return compact JSON.

    Raises:
        ValueError: the value holds NaN, infinity or half a character.
        TypeError: it holds something JSON has no form for.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text.encode()
    return text


def array(items: Iterable[str]) -> str:
    """Join JSON texts into a JSON array."""
    return f"[{','.join(items)}]"


def page(name: str, items: Iterable[str], total: int, limit: int, offset: int) -> str:
    """Return a list reply of the limit/offset style."""
    return f'{{"{name}":{array(items)},"total":{total},"limit":{limit},"offset":{offset}}}'


def run_json(run: RunRow) -> str:
    """Return a ResponseObject."""
    known = dumps(
        {
            "response_id": run.response_id,
            "thread_id": run.thread_id,
            "tenant_id": run.tenant_id,
            "user_id": run.user_id,
            "status": run.status,
            "output_text": run.output_text,
            "response_title": run.response_title,
            "created_at": run.created_at,
            "completed_at": run.completed_at,
        }
    )
    spliced = {
        "progress": run.progress,
        "input_messages": run.input_messages,
        "structured_response": run.structured_response,
        "artifacts": run.artifacts,
        "error": run.error,
        "options": run.options,
    }
    rest = ",".join(f'"{name}":{"null" if text is None else text}' for name, text in spliced.items())
    return f"{known[:-1]},{rest}}}"


def created_json(run: RunRow) -> str:
    """Return the reply to a create."""
    names = ("response_id", "thread_id", "tenant_id", "status", "created_at")
    return dumps({name: getattr(run, name) for name in names})


def thread_json(thread: ThreadRow) -> str:
    """Return a ThreadObject."""
    return dumps({name: getattr(thread, name) for name in thread.__dataclass_fields__})


def tenant_json(tenant: TenantRow) -> str:
    """Return a Tenant."""
    return dumps(
        {
            "id": tenant.id,
            "name": tenant.name,
            "api_key_mode": "platform",
            "created_at": tenant.created_at,
            "updated_at": None,
            "developer_id": tenant_id_of(tenant.id),
            "developer_email": "developer@localhost",
            "plan": "shared",
            "db_status": "active",
            "billing_status": "active",
        }
    )
