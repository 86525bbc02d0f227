"""What every test gets: no network, one thread, an empty working folder, tiny data."""

import os
from pathlib import Path

import pytest

GUARD = Path(__file__).parent / "guard"

# Set before anything heavy is imported, and inherited by every process that a test starts.
os.environ["MPLBACKEND"] = "Agg"
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
for name in ("FORCE_COLOR", "COMP_LINE", "COMP_POINT", "HYDRA_FULL_ERROR"):
    os.environ.pop(name, None)
if str(GUARD) not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
    inherited = [path for path in [os.environ.get("PYTHONPATH", "")] if path]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(GUARD), *inherited])

from fewrec_cli.data.base import Dataset  # noqa: E402 - after the environment is set
from tests.guard import sitecustomize  # noqa: E402, F401 - refuses the network from here on
from tests.planted import planted_dataset  # noqa: E402


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests that need a GPU where there is none."""
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working folder during the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def planted() -> Dataset:
    """A data set of 80 users in 4 hidden groups: who likes what is known."""
    return planted_dataset()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; the test is skipped where FEWREC_DATA names none."""
    named = os.environ.get("FEWREC_DATA")
    if not named or not Path(named).is_dir():
        pytest.skip("FEWREC_DATA names no folder of real data")
    return Path(named)


@pytest.fixture
def no_real_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take FEWREC_DATA away, as on a machine that has no data yet."""
    monkeypatch.delenv("FEWREC_DATA", raising=False)
