from dataclasses import replace

import numpy as np
import pytest

from fewrec_cli.core.errors import RunError
from fewrec_cli.core.types import Interactions
from fewrec_cli.data.base import Dataset
from fewrec_cli.scenario.base import Episodes, Split
from fewrec_cli.scenario.leak import check_leaks
from tests.scenario.contract import SMALL, made, shipped

Drawn = tuple[Dataset, Split, Episodes]


@pytest.fixture
def honest() -> Drawn:
    dataset = made()
    scenario = shipped("item_cold", **SMALL, history=True)
    split = scenario.split(dataset)
    return dataset, split, scenario.draw(split.test, 0)


def test_honest_tasks_pass_and_are_counted(honest: Drawn) -> None:
    dataset, split, drawn = honest
    report = check_leaks(dataset, split, [drawn, drawn])
    assert (report.draws, report.tasks) == (2, 2 * len(drawn))
    assert report.violations() == {}


def test_query_row_in_the_support_is_found(honest: Drawn) -> None:
    dataset, split, drawn = honest
    support = drawn.support.copy()
    support[0, 0] = drawn.query[0, 0]
    with pytest.raises(RunError, match=r"leak \(support_in_query: 1\)"):
        check_leaks(dataset, split, [replace(drawn, support=support)])


def test_query_row_in_the_history_is_found(honest: Drawn) -> None:
    dataset, split, drawn = honest
    history = drawn.history.copy()
    history[0, 0] = drawn.query[0, 0]
    with pytest.raises(RunError, match=r"leak \(history_in_query: 1\)"):
        check_leaks(dataset, split, [replace(drawn, history=history)])


def test_query_row_in_training_is_found(honest: Drawn) -> None:
    dataset, split, drawn = honest
    train = np.append(split.train, drawn.query[0, 0])
    with pytest.raises(RunError, match="query_in_train: 1, shared: 1"):
        check_leaks(dataset, replace(split, train=train), [drawn])


def test_repeated_and_foreign_rows_are_found(honest: Drawn) -> None:
    dataset, split, drawn = honest
    query = drawn.query.copy()
    query[0, 0] = query[1, 0]
    with pytest.raises(RunError, match="repeated: 1, foreign: 1"):
        check_leaks(dataset, split, [replace(drawn, query=query)])


def test_doubled_pair_cannot_hide_behind_its_row_number(honest: Drawn) -> None:
    dataset, split, drawn = honest
    rows, doubled = dataset.interactions, drawn.query[0, 0]
    longer = Interactions(
        np.append(rows.user, rows.user[doubled]),
        np.append(rows.item, rows.item[doubled]),
        np.append(rows.rating, 1.0),
    )
    train = np.append(split.train, len(rows))
    with pytest.raises(RunError, match="query_in_train: 1"):
        check_leaks(replace(dataset, interactions=longer), replace(split, train=train), [drawn])
