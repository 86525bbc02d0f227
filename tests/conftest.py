"""What every test gets: no network, one thread, an empty working folder, tiny data."""

import os
from pathlib import Path
from uuid import uuid4

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

GRIDS = {
    "test_parts_work_together": 60,
    "test_weights_scores_and_outer_gradients_equal_the_hand_s": 6,
    "test_loop_equals_the_batched_path_and_the_hand": 3,
    "test_every_strategy_ends_the_same_on_every_path": 5,
    "test_a_step_in_parts_has_the_loss_and_the_gradient_of_the_whole": 5,
    "test_outer_gradient_is_that_of_the_hand_written_loop": 3,
    "test_bad_data_end_in_two_lines_and_leave_nothing": 24,
    "test_bad_words_end_in_two_lines_and_leave_nothing": 5,
    "test_a_mistake_is_told_in_two_lines": 16,
    "test_data_check_tells_the_same": 4,
    "test_real_counts": 3,
    "test_lists_equal_the_hand_s_and_leave_out_what_was_seen": 3,
    "test_engines_give_the_hand_s_weights_and_gradients": 3,
    "test_a_third_of_all_cases_equals_vmap": 3,
    "test_help_lists_and_mistakes_import_nothing_heavy": 3,
    "test_the_fit_is_scikit_learn_s_on_rows_made_by_loops": 2,
    "test_wrong_words_are_told_before_anything_runs": 2,
    "test_means_equal_a_loop_over_lines": 3,
    "test_what_cannot_be_is_told_in_two_lines": 3,
    "test_windows_keep_their_length_as_other_windows_may_be_trained_on": 2,
    "test_option_composes": 8,
    "test_fewrec_lines_run": 3,
    "test_an_unfinished_run_is_refused": 3,
    "test_an_open_mapping_takes_any_key": 2,
    "test_an_interrupt_is_told_in_one_line": 2,
    "test_values_with_spaces_or_brackets_work": 5,
    "test_a_closed_stdout_ends_the_command_quietly": 4,
    "test_a_sweep_works_in_any_order_of_words": 2,
    "test_every_scenario_runs_and_leaks_nothing": 6,
    "test_a_key_of_few_values_is_completed_by_all_of_them": 3,
    "test_outer_gradients_over_tasks_equal_the_loop_s": 13,
    "test_what_a_pair_keeps_for_its_gradient_is_foretold_from_above": 4,
    "test_adalora_is_refused_where_tasks_train": 3,
    "test_adalora_gives_its_ranks_to_the_weights_that_matter": 2,
    "test_vectors_are_the_model_s_own_pair_by_pair": 3,
    "test_reptile_moves_lora_s_matrices_to_the_mean_of_what_tasks_adapt_to": 2,
    "test_second_order_is_the_slope_of_the_outer_loss": 2,
}
"""Tests of which every n-th case is unmarked and the others are slow: no case is left out, and
``make test`` stays short."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark most cases of the large grids as slow."""
    seen = dict.fromkeys(GRIDS, 0)
    for item in items:
        name = getattr(item, "originalname", item.name)
        if name in GRIDS:
            if seen[name] % GRIDS[name]:
                item.add_marker(pytest.mark.slow)
            seen[name] += 1


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests that need a GPU where there is none."""
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(scope="session", autouse=True)
def no_users_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the user's stage cache out of all tests, and out of what several of them share."""
    os.environ["FEWREC_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def own_cache(
    no_users_cache: None, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A stage cache of the test's own, empty: no test takes what another has made."""
    place = tmp_path_factory.getbasetemp() / "caches" / uuid4().hex
    monkeypatch.setenv("FEWREC_CACHE", str(place))
    return place


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
