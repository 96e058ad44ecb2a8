"""Applications that users can connect to, and what is particular to LinkedIn."""

from __future__ import annotations

from lumnisai_core.local.lumnis.app import Call, Reply
from lumnisai_core.local.lumnis.replies import dumps
from lumnisai_core.local.lumnis.routes.connections import is_active
from lumnisai_core.local.lumnis.shapes.integrations import AppPath, ListApps, OfUser, SetApp, WithProvider
from lumnisai_core.local.web.errors import ApiError
from lumnisai_core.local.web.ids import now
from lumnisai_core.local.web.text import word_set

_APPS = {
    "composio": word_set(
        """AIRTABLE ASANA DISCORD DROPBOX GITHUB GMAIL GOOGLECALENDAR GOOGLEDRIVE HUBSPOT JIRA LINEAR NOTION OUTLOOK
        SALESFORCE SLACK TRELLO"""
    ),
    "unipile": word_set("LINKEDIN WHATSAPP"),
}


async def list_(call: Call) -> Reply:
    """Show which apps are enabled, by provider too; with `include_available`, all there are."""
    query = call.query(ListApps)
    disabled = call.store.disabled_apps(call.tenant.id)
    offered = {name: apps for name, apps in _APPS.items() if query.provider in (None, name)}
    providers = {name: sorted(apps - disabled) for name, apps in offered.items()}
    enabled = sorted(app for apps in providers.values() for app in apps)
    available = sorted(app for apps in offered.values() for app in apps) if query.include_available else None
    reply = {
        "enabled_apps": enabled,
        "total_enabled": len(enabled),
        "available_apps": available,
        "total_available": None if available is None else len(available),
        "providers": providers,
        "total_providers": len(providers),
    }
    return Reply(200, dumps(reply))


async def providers(_call: Call) -> Reply:
    """Show the providers of connections."""
    return Reply(200, dumps({"providers": list(_APPS), "total": len(_APPS)}))


async def is_enabled(call: Call) -> Reply:
    """Tell whether an app is enabled; any app is until it is switched off."""
    app, provider = call.segment(AppPath).app, call.query(WithProvider).provider
    enabled = app not in call.store.disabled_apps(call.tenant.id)
    message = f"{app} is {'enabled' if enabled else 'not enabled'}."
    return Reply(200, dumps({"app_name": app, "enabled": enabled, "message": message, "provider": provider}))


async def set_enabled(call: Call) -> Reply:
    """Switch an app on or off for the tenant."""
    app, enabled = call.segment(AppPath).app, call.query(SetApp).enabled
    call.store.enable_app(call.tenant.id, app, enabled=enabled)
    message = f"{app} was {'enabled' if enabled else 'disabled'}."
    return Reply(200, dumps({"app_name": app, "enabled": enabled, "message": message, "updated_at": now()}))


async def required_fields(call: Call) -> Reply:
    """Refuse: reserved on the platform as well."""
    app = call.segment(AppPath).app
    raise ApiError(501, "NOT_IMPLEMENTED", f"The fields that {app} needs without OAuth are not known.")


async def linkedin_status(call: Call) -> Reply:
    """Tell how far a user's LinkedIn contacts are copied: there are none to copy."""
    connected = is_active(call, call.query(OfUser).user_id, "LINKEDIN")
    reply = {"status": "idle" if connected else "no_account", "synced_count": 0, "last_synced_at": None}
    return Reply(200, dumps(reply))


async def linkedin_sync(call: Call) -> Reply:
    """Begin to copy a user's LinkedIn contacts, if the user is connected."""
    connected = is_active(call, call.query(OfUser).user_id, "LINKEDIN")
    message = "There is nothing to copy." if connected else "The user has no LinkedIn account connected."
    return Reply(200, dumps({"status": "started" if connected else "no_account", "message": message}))


async def linkedin_forget(call: Call) -> Reply:
    """Delete copied LinkedIn contacts; there are none."""
    call.query(OfUser)
    return Reply(200, dumps({"deleted_count": 0, "message": "There were no contacts to delete."}))
