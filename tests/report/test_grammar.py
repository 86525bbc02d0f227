"""What holds LaTeX to its grammar finds each kind of mistake."""

import pytest

from tests.report.grammar import structure

WHOLE = (
    "% \\usepackage{booktabs} 100%\n"
    "\\begin{table}\\caption{a \\& b}\n\\begin{tabular}{lr}\n{}[a] & $-$1 \\\\\n\\end{tabular}\n"
    "\\end{table}"
)


def test_a_whole_table_passes() -> None:
    assert structure(WHOLE) == [2]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("[a] & ", "[a] "),  # a cell is missing
        ("[a] & ", "[a] & & "),  # one is too many
        ("\\& b", "& b"),
        ("\\& b", "% b"),
        ("\\& b", "_b"),
        ("$-$1", "$-1"),
        ("{}[a]", "{[a]"),
        ("\\end{tabular}\n", ""),
        ("\\end{tabular}\n\\end{table}", "\\end{table}\n\\end{tabular}"),
        ("\\caption{a \\& b}", ""),
        ("\\end{table}", "\\end{table}}"),
    ],
)
def test_a_mistake_is_found(right: str, wrong: str) -> None:
    assert right in WHOLE
    with pytest.raises((AssertionError, IndexError)):
        structure(WHOLE.replace(right, wrong))
