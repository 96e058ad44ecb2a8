"""CPU seconds of each file of tests, as a plugin: ``make test ARGS="-p tests.costs"`` lists the 40 dearest files."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from typing import Any

import pytest

_FILES_SHOWN = 40
_RULER = "CPU seconds by file"


def _spent() -> float:
    """Return the CPU seconds of this process and of the children that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class _Costs:
    """Measures in the processes that run tests; adds up where their reports arrive."""

    def __init__(self) -> None:
        self.cpu: defaultdict[str, float] = defaultdict(float)
        self.tests: Counter[str] = Counter()
        self._last = 0.0

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._last = _spent()
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["collecting"] = self._last
        elif session.items:
            self.cpu["(importing and collecting)"] += self._last

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Any:
        report = yield
        now = _spent()
        report.cpu, self._last = now - self._last, now  # travels with the report from a worker
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = report.nodeid.partition("::")[0]
        self.cpu[file] += getattr(report, "cpu", 0.0)
        self.tests[file] += report.when == "call"

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.cpu["(importing and collecting)"] += getattr(node, "workeroutput", {}).get("collecting", 0.0)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section(f"{_RULER}, {sum(self.cpu.values()):.0f} in all")
        for file, seconds in sorted(self.cpu.items(), key=lambda item: -item[1])[:_FILES_SHOWN]:
            terminalreporter.write_line(f"{seconds:8.2f}  {self.tests[file]:5}  {file}")


def pytest_configure(config: pytest.Config) -> None:
    """Measure from here on."""
    config.pluginmanager.register(_Costs(), "costs")
