"""What users may import, and what importing costs others."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lumnisai_core


def test_the_public_names_exist() -> None:
    """Every listed name can be imported, and the list is sorted and complete."""
    listed = vars(lumnisai_core)["__all__"]
    assert all(hasattr(lumnisai_core, name) for name in listed)
    public = {
        name
        for name, value in vars(lumnisai_core).items()
        if not name.startswith("_") and not hasattr(value, "__path__")
    }
    modules = {"display", "exceptions", "file_texts", "models", "annotations", "TYPE_CHECKING", "VERSION"}
    assert public - modules - set(listed) == set()


@pytest.mark.processes
def test_the_core_needs_no_framework_and_no_server() -> None:
    """Importing the client imports neither a framework nor the embedded service, and no jobs."""
    heavy = ("langchain_core", "llama_index", "starlette", "uvicorn", "jsonschema_rs", "lumnisai_integrations")
    jobs = ("lumnisai_core.lumnis.runs.batch", "lumnisai_core.lumnis.runs.progress")
    code = f"import sys, lumnisai_core; print([name for name in {heavy + jobs} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.processes
def test_a_run_imports_no_tracing_that_the_program_does_not_use() -> None:
    """A program without OpenTelemetry does not pay for its import, although it is installed."""
    code = """if True:
        import sys
        from lumnisai_core import Client
        from tests.servers import Canned, canned_server
        with canned_server([Canned(body={"response_id": "r-1", "status": "succeeded", "output_text": "x"})]) as server:
            Client("k", base_url=server.base_url, user_id="u").invoke("Hi")
        print([name for name in sys.modules if name.startswith("opentelemetry")])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
