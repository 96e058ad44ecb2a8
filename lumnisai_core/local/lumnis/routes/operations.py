"""What every route takes and answers, for the OpenAPI document. A new route needs a line here too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from lumnisai_core.local.lumnis.shapes import files, integrations, models, replies, runs, servers, skills, users
from lumnisai_core.local.web import shapes as base


@dataclass(frozen=True, slots=True)
class Operation:
    """What a route takes and answers.

    Args:
        reply: type of the JSON reply; None for a reply without a body.
        body: shape of the JSON body.
        form: text parts of a multipart body, next to the file part named by `file`.
        file: name of the file part; with `many` it is repeated.
        optional: whether the body may be missing.
        query: shape of the query.
        path: shape of the path, where more than the existence of an id is checked.
        success: status of the reply.
        once: whether a key makes a repeated request get the first reply, with status 200.
        refused: statuses of refusals besides those that follow from all this.
        also: media types of replies that are not JSON, by status; None for no body.
        wrapped: whether refusals of the status 400 are wrapped once more.
    """

    reply: Any = None
    body: type[BaseModel] | None = None
    form: type[BaseModel] | None = None
    file: str = ""
    many: bool = False
    optional: bool = False
    query: type[BaseModel] | None = None
    path: type[BaseModel] | None = None
    success: int = 200
    once: bool = False
    refused: tuple[int, ...] = ()
    also: tuple[tuple[int, str | None], ...] = ()
    wrapped: bool = False


def _made(reply: Any, body: type[BaseModel], **more: Any) -> Operation:
    return Operation(reply, body, success=201, once=True, **more)


_gone = Operation(success=204)
_connection = Operation(replies.ConnectionState, query=integrations.WithProvider, path=integrations.ConnectionPath)
_files = Operation(replies.Files, query=files.ListFiles)

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/v1/health"): Operation(replies.Health),
    ("GET", "/v1/openapi.json"): Operation(dict[str, Any]),
    ("GET", "/v1/tenant"): Operation(replies.Tenant),
    ("GET", "/v1/tenants/{tenant_id}"): Operation(replies.Tenant),
    ("POST", "/v1/responses"): _made(replies.CreatedRun, runs.CreateRun, refused=(400, 404)),
    ("GET", "/v1/responses"): Operation(replies.Runs, query=runs.ListRuns),
    ("GET", "/v1/responses/{response_id}"): Operation(replies.Run, query=runs.Poll),
    ("POST", "/v1/responses/{response_id}/cancel"): Operation(replies.Cancelled, query=base.Named, refused=(409,)),
    ("GET", "/v1/responses/{response_id}/artifacts"): Operation(replies.Artifacts, query=base.Page),
    ("POST", "/v1/responses/{response_id}/feedback"): _made(replies.GivenFeedback, runs.GiveFeedback),
    ("GET", "/v1/responses/{response_id}/feedback"): Operation(replies.AllFeedback, query=runs.ListFeedback),
    ("POST", "/v1/threads"): _made(replies.Thread, runs.CreateThread, optional=True),
    ("GET", "/v1/threads"): Operation(replies.Threads, query=base.Page),
    ("GET", "/v1/threads/{thread_id}"): Operation(replies.Thread, query=base.Named),
    ("PATCH", "/v1/threads/{thread_id}"): Operation(replies.Thread, runs.PatchThread, query=base.Named),
    ("DELETE", "/v1/threads/{thread_id}"): Operation(query=base.Named, success=204),
    ("GET", "/v1/threads/{thread_id}/responses"): Operation(list[replies.Run], query=base.Page),
    ("POST", "/v1/files/upload"): Operation(replies.Uploaded, form=files.Upload, file="file", success=201, once=True),
    ("POST", "/v1/files/bulk-upload"): Operation(
        replies.BulkUploaded, form=files.Upload, file="files", many=True, success=201
    ),
    ("POST", "/v1/files/search"): Operation(replies.Found, files.SearchFiles),
    ("GET", "/v1/files"): _files,
    ("GET", "/v1/files/"): _files,
    ("GET", "/v1/files/statistics"): Operation(replies.FileStatistics, query=base.Named),
    ("DELETE", "/v1/files/bulk"): Operation(replies.DeletedFiles, files.FileIds, query=files.DeleteFiles),
    ("GET", "/v1/files/{file_id}"): Operation(replies.File, query=base.Named),
    ("DELETE", "/v1/files/{file_id}"): Operation(replies.DeletedFile, query=files.DeleteFiles),
    ("GET", "/v1/files/{file_id}/content"): Operation(replies.Content, query=files.ReadContent, refused=(409,)),
    ("GET", "/v1/files/{file_id}/download"): Operation(query=base.Named, also=((200, "*/*"), (302, None))),
    ("GET", "/v1/files/{file_id}/status"): Operation(replies.FileStatus, query=base.Named),
    ("PATCH", "/v1/files/{file_id}/scope"): Operation(replies.File, files.Owned, query=base.Named),
    ("POST", "/v1/integrations/connections/initiate"): _made(replies.Initiated, integrations.Initiate, refused=(403,)),
    ("POST", "/v1/integrations/connections/callback"): Operation(
        replies.CalledBack, integrations.Callback, refused=(400, 404)
    ),
    ("POST", "/v1/integrations/connections/batch"): Operation(replies.ConnectionStates, integrations.Batch),
    ("POST", "/v1/integrations/connections/disconnect"): Operation(replies.Disconnected, integrations.Disconnect),
    ("GET", "/v1/integrations/connections/{user_id}"): Operation(
        replies.Connections, query=integrations.ListConnections, path=integrations.OfUser
    ),
    ("GET", "/v1/integrations/connections/{user_id}/{app}"): _connection,
    ("GET", "/v1/integrations/authorize/{state}"): Operation(
        query=integrations.Authorize, also=((200, "text/html"), (302, None))
    ),
    ("POST", "/v1/integrations/tools"): Operation(replies.AppTools, integrations.ListTools),
    ("GET", "/v1/integrations/apps"): Operation(replies.Apps, query=integrations.ListApps),
    ("GET", "/v1/integrations/apps/{app}/enabled"): Operation(
        replies.AppEnabled, query=integrations.WithProvider, path=integrations.AppPath
    ),
    ("PUT", "/v1/integrations/apps/{app}"): Operation(
        replies.AppSet, query=integrations.SetApp, path=integrations.AppPath
    ),
    ("GET", "/v1/integrations/providers"): Operation(replies.Providers),
    ("GET", "/v1/integrations/non-oauth/required-fields/{app}"): Operation(
        path=integrations.AppPath, success=0, refused=(501,)
    ),
    ("GET", "/v1/integrations/linkedin/sync-status"): Operation(replies.ContactsStatus, query=integrations.OfUser),
    ("POST", "/v1/integrations/linkedin/sync"): Operation(replies.ContactsSync, query=integrations.OfUser),
    ("DELETE", "/v1/integrations/linkedin/connections"): Operation(replies.ContactsDeleted, query=integrations.OfUser),
    ("POST", "/v1/mcp-servers"): _made(replies.Server, servers.CreateServer),
    ("GET", "/v1/mcp-servers"): Operation(replies.Servers, query=servers.ListServers),
    ("POST", "/v1/mcp-servers/test"): Operation(replies.ServerTested, servers.ServerConfig),
    ("GET", "/v1/mcp-servers/{server_id}"): Operation(replies.Server),
    ("PATCH", "/v1/mcp-servers/{server_id}"): Operation(replies.Server, servers.PatchServer),
    ("DELETE", "/v1/mcp-servers/{server_id}"): _gone,
    ("GET", "/v1/mcp-servers/{server_id}/tools"): Operation(replies.ServerTools),
    ("POST", "/v1/mcp-servers/{server_id}/test"): Operation(replies.ServerTested),
    ("POST", "/v1/skills"): _made(replies.Skill, skills.CreateSkill, query=base.Named),
    ("GET", "/v1/skills"): Operation(replies.Skills, query=skills.ListSkills),
    ("POST", "/v1/skills/usage"): _made(replies.Usage, skills.CreateUsage, refused=(404,)),
    ("GET", "/v1/skills/usage"): Operation(replies.Usages, query=skills.ListUsages),
    ("PUT", "/v1/skills/usage/{usage_id}"): Operation(replies.Usage, skills.PutUsage),
    ("GET", "/v1/skills/analytics"): Operation(replies.SkillAnalytics, query=skills.Analytics, refused=(404,)),
    ("GET", "/v1/skills/{skill_id}"): Operation(replies.Skill, query=base.Named),
    ("PUT", "/v1/skills/{skill_id}"): Operation(replies.Skill, skills.PutSkill, query=base.Named),
    ("DELETE", "/v1/skills/{skill_id}"): Operation(query=base.Named, success=204),
    ("POST", "/v1/people/quick-search"): Operation(
        body=integrations.QuickSearch, success=0, refused=(400,), wrapped=True
    ),
    ("POST", "/v1/people/posts/preview"): Operation(replies.Posts, integrations.PreviewPosts),
    ("POST", "/v1/users"): _made(replies.User, users.CreateUser),
    ("GET", "/v1/users"): Operation(replies.Users, query=base.Numbered),
    ("GET", "/v1/users/{user}"): Operation(replies.User),
    ("PUT", "/v1/users/{user}"): Operation(replies.User, users.PutUser),
    ("DELETE", "/v1/users/{user}"): Operation(replies.Text),
    ("GET", "/v1/users/{user}/responses"): Operation(list[replies.Run], query=base.Numbered),
    ("GET", "/v1/users/{user}/threads"): Operation(list[replies.Thread], query=base.Numbered),
    ("POST", "/v1/external-api-keys"): _made(replies.Key, models.StoreKey),
    ("GET", "/v1/external-api-keys"): Operation(list[replies.Key]),
    ("GET", "/v1/external-api-keys/mode"): Operation(replies.WhoseKeys),
    ("PATCH", "/v1/external-api-keys/mode"): Operation(replies.WhoseKeys, models.KeyMode),
    ("GET", "/v1/external-api-keys/{key}"): Operation(replies.Key),
    ("DELETE", "/v1/external-api-keys/{key}"): Operation(replies.Text, query=models.KeyQuery, path=models.KeyPath),
    ("GET", "/v1/model-preferences"): Operation(replies.Preferences, query=models.ListChoices),
    ("PUT", "/v1/model-preferences"): Operation(replies.Preferences, models.Choices),
    ("POST", "/v1/model-preferences/check-availability"): Operation(list[replies.Availability], models.CheckChoices),
    ("PATCH", "/v1/model-preferences/{model_type}"): Operation(
        replies.Preference, models.Choice, path=models.ChoicePath
    ),
    ("DELETE", "/v1/model-preferences/{model_type}"): Operation(path=models.ChoicePath, success=204),
}
