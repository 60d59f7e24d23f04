#!/usr/bin/env python3
"""The agent lane of spck-conformance (PyPI): runs tests/api/test_ucp_agent.py and counts the MUST ids of its checks, a line a version.

The suite's merchant serves one profile, of 2026-04-08 with the keys of both versions; which checks speak for 2026-08-25 too is the suite's word.
"""
import importlib
import importlib.util
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Outcomes:
    """Which checks passed, by their name in the suite."""

    def __init__(self):
        self.passed, self.failed = set(), set()

    def pytest_runtest_logreport(self, report):
        if "test_check[" not in report.nodeid or (report.when != "call" and report.passed):
            return
        (self.passed if report.passed else self.failed).add(report.nodeid.split("[")[1][:-1])


def main():
    outcomes = Outcomes()
    code = pytest.main(["-q", str(ROOT / "tests/api/test_ucp_agent.py")], plugins=[outcomes])
    sys.path.insert(0, str(pathlib.Path(importlib.util.find_spec("spck_conformance").submodule_search_locations[0]) / "_bundle/conformance/agent"))
    checks = importlib.import_module("agent_checks").CHECKS
    for version in ("2026-04-08", "2026-08-25"):
        of = [c for c in checks if version in c.versions]
        ids = {name: {i for c in of if c.id in group for i in c.req_ids} for name, group in (("passed", outcomes.passed), ("violated", outcomes.failed))}
        rest = {i for c in of for i in c.req_ids} - ids["passed"] - ids["violated"]
        print(f"agent {version}: {len(ids['passed'] - ids['violated'])} MUST ids passed, {len(ids['violated'])} violated, {len(rest)} not exercised"
              f"{' (' + ' '.join(sorted(rest)) + ')' if rest else ''}")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
