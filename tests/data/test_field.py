"""Building attributes: vocabularies, weights, rare and missing values."""

import numpy as np

from fewrec_cli.data.field import categorical, multi, numeric


def test_rare_values_fold_into_other_and_are_counted() -> None:
    field, note = categorical("job", ["a", "a", "b", "c", ""], rare=2)
    assert field.vocabulary == ("a", "other")
    assert field.index.tolist() == [0, 0, 1, 1]
    assert field.offsets.tolist() == [0, 1, 2, 3, 4, 4]
    assert note.count == 4
    assert note.text == ("categorical, 2 values; missing: 1; folded into 'other': 2 rare (rows: 2)")


def test_rare_values_join_a_value_called_other() -> None:
    field, _ = categorical("job", ["other", "other", "b"], rare=2)
    assert field.vocabulary == ("other",)
    assert field.index.tolist() == [0, 0, 0]


def test_multi_valued_row_weighs_its_values_evenly_and_once() -> None:
    field, _ = multi("genres", [["b", "a", "b"], [""], ["a"]], rare=1)
    assert field.index.tolist() == [0, 1, 0]
    assert field.weight.tolist() == [0.5, 0.5, 1.0]


def test_two_rare_values_of_a_row_count_as_one_other() -> None:
    field, _ = multi("genres", [["x", "y"], ["a"], ["a"]], rare=2)
    assert field.vocabulary == ("a", "other")
    assert field.weight.tolist() == [1.0, 1.0, 1.0]


def test_numbers_are_standardised_over_known_rows() -> None:
    field, note = numeric("age", np.array([10.0, np.nan, 30.0]))
    assert field is not None
    assert field.weight.tolist() == [-1.0, 1.0]
    assert field.offsets.tolist() == [0, 1, 1, 2]
    assert note.text == "numeric, mean 20, sd 10; missing: 1"


def test_constant_and_unknown_numbers_are_left_out_and_said() -> None:
    for numbers in (np.array([2.0, 2.0]), np.array([np.nan])):
        field, note = numeric("age", numbers)
        assert field is None
        assert "left out" in note.text
