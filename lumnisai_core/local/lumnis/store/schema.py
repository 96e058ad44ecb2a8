"""The tables. A database of version N has gone through the first N steps; a released step never changes."""

from __future__ import annotations

_RUNS = """
CREATE TABLE tenants (
    key_hash TEXT PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, created_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE threads (
    thread_id TEXT NOT NULL UNIQUE, tenant_id TEXT NOT NULL, user_id TEXT, title TEXT, created_at TEXT NOT NULL,
    updated_at TEXT, response_count INTEGER NOT NULL, last_response_at TEXT
);
CREATE INDEX threads_by_tenant ON threads (tenant_id, created_at);
CREATE TABLE runs (
    response_id TEXT NOT NULL UNIQUE, thread_id TEXT NOT NULL, tenant_id TEXT NOT NULL, user_id TEXT,
    status TEXT NOT NULL, progress TEXT NOT NULL, input_messages TEXT NOT NULL, output_text TEXT,
    structured_response TEXT, artifacts TEXT, response_title TEXT, error TEXT, options TEXT,
    created_at TEXT NOT NULL, completed_at TEXT, request TEXT NOT NULL
);
CREATE INDEX runs_by_tenant ON runs (tenant_id, created_at);
CREATE INDEX runs_by_thread ON runs (thread_id);
CREATE INDEX runs_open ON runs (status) WHERE status IN ('queued', 'in_progress');
CREATE TABLE idempotency (
    tenant_id TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, reply TEXT NOT NULL,
    created_at TEXT NOT NULL, PRIMARY KEY (tenant_id, key)
) WITHOUT ROWID;
"""

_RESOURCES = """
ALTER TABLE tenants ADD COLUMN api_key_mode TEXT NOT NULL DEFAULT 'platform';
ALTER TABLE tenants ADD COLUMN updated_at TEXT;
CREATE TABLE users (
    id TEXT NOT NULL, email TEXT NOT NULL, first_name TEXT, last_name TEXT, tenant_id TEXT NOT NULL,
    is_active INTEGER NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, UNIQUE (tenant_id, id)
);
CREATE TABLE keys (
    key_id TEXT NOT NULL UNIQUE, tenant_id TEXT NOT NULL, provider TEXT NOT NULL, key_name TEXT, expires_at TEXT,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX keys_by_provider ON keys (tenant_id, provider, coalesce(key_name, ''));
CREATE TABLE preferences (
    tenant_id TEXT NOT NULL, model_type TEXT NOT NULL, provider TEXT NOT NULL, model_name TEXT NOT NULL,
    is_active INTEGER NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL, UNIQUE (tenant_id, model_type)
);
CREATE TABLE feedback (
    feedback_id TEXT NOT NULL UNIQUE, response_id TEXT NOT NULL, tenant_id TEXT NOT NULL, user_id TEXT,
    feedback_text TEXT NOT NULL, feedback_type TEXT NOT NULL, progress_id TEXT, tool_call_id TEXT,
    tool_args_update TEXT, is_consumed INTEGER NOT NULL, consumed_at TEXT, created_at TEXT NOT NULL
);
CREATE INDEX feedback_by_run ON feedback (response_id);
CREATE TABLE artifacts (
    artifact_id TEXT NOT NULL, response_id TEXT NOT NULL, tenant_id TEXT NOT NULL, user_id TEXT, name TEXT NOT NULL,
    mime_type TEXT NOT NULL, text TEXT NOT NULL, created_at TEXT NOT NULL, UNIQUE (response_id, artifact_id)
);
CREATE INDEX artifacts_by_id ON artifacts (artifact_id);
CREATE TABLE files (
    id TEXT NOT NULL UNIQUE, tenant_id TEXT NOT NULL, user_id TEXT, file_name TEXT NOT NULL,
    original_file_name TEXT NOT NULL, file_type TEXT NOT NULL, mime_type TEXT NOT NULL, file_size INTEGER NOT NULL,
    file_scope TEXT NOT NULL, processing_status TEXT NOT NULL, error_message TEXT, total_chunks INTEGER NOT NULL,
    chunks_embedded INTEGER NOT NULL, total_lines INTEGER NOT NULL, tags TEXT, created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL, processed_at TEXT, deleted_at TEXT
);
CREATE INDEX files_by_tenant ON files (tenant_id, created_at);
CREATE TABLE chunks (
    id TEXT NOT NULL UNIQUE, file_id TEXT NOT NULL, chunk_index INTEGER NOT NULL, chunk_text TEXT NOT NULL,
    start_line INTEGER NOT NULL, end_line INTEGER NOT NULL, token_count INTEGER NOT NULL
);
CREATE INDEX chunks_by_file ON chunks (file_id, chunk_index);
CREATE VIRTUAL TABLE chunk_words USING fts5(text, tokenize = 'porter unicode61');
CREATE TABLE servers (
    id TEXT NOT NULL UNIQUE, tenant_id TEXT NOT NULL, user_id TEXT, scope TEXT NOT NULL, name TEXT NOT NULL,
    description TEXT, transport TEXT NOT NULL, command TEXT, args TEXT, url TEXT, is_active INTEGER NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE INDEX servers_by_tenant ON servers (tenant_id);
CREATE TABLE skills (
    id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, description TEXT NOT NULL, content TEXT NOT NULL, category TEXT,
    version TEXT NOT NULL, tenant_id TEXT NOT NULL, user_id TEXT, is_active INTEGER NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE INDEX skills_by_tenant ON skills (tenant_id);
CREATE TABLE usages (
    id TEXT NOT NULL UNIQUE, response_id TEXT NOT NULL, skill_id TEXT NOT NULL, skill_name TEXT NOT NULL,
    tenant_id TEXT NOT NULL, user_id TEXT, relevance_score REAL, planner_selected INTEGER, usage_reasoning TEXT,
    priority INTEGER, execution_outcome TEXT, effectiveness_score REAL, feedback_notes TEXT,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE INDEX usages_by_tenant ON usages (tenant_id);
CREATE TABLE connections (
    connection_id TEXT NOT NULL UNIQUE, tenant_id TEXT NOT NULL, user_id TEXT NOT NULL, provider TEXT NOT NULL,
    app_name TEXT NOT NULL, status TEXT NOT NULL, connected_at TEXT, error_message TEXT, state TEXT NOT NULL UNIQUE,
    success_url TEXT, failure_url TEXT, created_at TEXT NOT NULL, UNIQUE (tenant_id, user_id, provider, app_name)
);
CREATE TABLE disabled_apps (
    tenant_id TEXT NOT NULL, app_name TEXT NOT NULL, PRIMARY KEY (tenant_id, app_name)
) WITHOUT ROWID;
"""

_GROWTH = """
CREATE TABLE progress (
    response_id TEXT NOT NULL, position INTEGER NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (response_id, position)
) WITHOUT ROWID;
CREATE INDEX runs_by_user ON runs (tenant_id, user_id, created_at);
CREATE INDEX runs_by_status ON runs (tenant_id, status, created_at);
CREATE INDEX threads_by_user ON threads (tenant_id, user_id, created_at);
CREATE INDEX files_by_name ON files (tenant_id, file_name);
CREATE TABLE replies (
    tenant_id TEXT NOT NULL, user_id TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, reply TEXT NOT NULL,
    created_at TEXT NOT NULL, PRIMARY KEY (tenant_id, user_id, key)
) WITHOUT ROWID;
INSERT INTO replies SELECT tenant_id, coalesce(
    (SELECT user_id FROM runs WHERE response_id = json_extract(reply, '$.response_id')),
    json_extract(reply, '$.user_id'), ''
), key, fingerprint, reply, created_at FROM idempotency;
DROP TABLE idempotency;
CREATE INDEX replies_by_time ON replies (created_at);
"""

_USAGE = """
ALTER TABLE runs ADD COLUMN usage TEXT;
ALTER TABLE runs ADD COLUMN model TEXT;
"""

STEPS = (_RUNS, _RESOURCES, _GROWTH, _USAGE)
