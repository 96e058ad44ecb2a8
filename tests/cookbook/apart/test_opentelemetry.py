"""The program of the cookbook that sends a trace by OTLP, with a collector on this machine."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumnisai_core.local import LocalLumnis, OfflineEngine, Script
from tests.conftest import Serve
from tests.cookbook import pages

pytestmark = pytest.mark.timeout(300)  # processes of their own, which take their time on a busy machine


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """Take traces by OTLP over HTTP; yield the address and what has come."""
    received: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers["content-encoding"] == "gzip":
                body = gzip.decompress(body)
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def traced(local: LocalLumnis, endpoint: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program as the page says."""
    pages.save("tracing", folder)
    environment = {**os.environ, **local.environment(), "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    command = [sys.executable, "traced.py"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_is_a_span_below_that_of_the_program(fails: bool, serve: Serve, tmp_path: Path) -> None:
    """In the backend, whether it succeeds or fails; the span of the run has no question."""
    script = Script(error=("AGENT_ERROR", "The register is closed."))
    with collector() as (endpoint, received):
        done = traced(serve(script if fails else OfflineEngine(step_delay=0)), endpoint, tmp_path)
    if fails:
        assert done.returncode == 1
        assert "The register is closed." in done.stderr
    else:
        assert (done.returncode, done.stdout) == (0, pages.outputs_of("tracing")[0]), done.stderr
    resources = [resource for request in received for resource in request.resource_spans]
    names = [each.value.string_value for one in resources for each in one.resource.attributes if "service" in each.key]
    assert "tide-desk" in names
    spans = {span.name: span for one in resources for scope in one.scope_spans for span in scope.spans}
    question, run = spans["question"], spans["invoke_agent"]
    assert (run.trace_id, run.parent_span_id) == (question.trace_id, question.span_id)
    assert (run.status.code == run.status.STATUS_CODE_ERROR) is fails
    assert b"Neap" not in run.SerializeToString()
