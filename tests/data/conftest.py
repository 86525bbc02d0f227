"""Tests of data find what they wrote, not what this machine holds."""

import pytest


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Take FEWREC_DATA away, except from tests on real data."""
    if "real_data" not in request.fixturenames:
        monkeypatch.delenv("FEWREC_DATA", raising=False)
