"""A table whose file asks for deciles has them beside it."""

from pathlib import Path

import pandas as pd
import pytest

from fewrec_cli.cli.catalogue import catalogue
from fewrec_cli.cli.table.read import named, read_spec
from tests.command import fewrec


def test_the_long_tail_is_split_at_the_sizes_that_it_shows() -> None:
    spec = read_spec(*named(catalogue(None), "longtail"))
    assert spec.deciles == ("mae", "bias", "ndcg@5")
    (split,) = [word for word in spec.words if word.startswith("evaluation.deciles=")]
    assert spec.shots is not None
    assert split == f"evaluation.deciles=[{','.join(map(str, spec.shots))}]"


@pytest.mark.slow
def test_the_long_tail_has_every_row_in_every_format(folder: Path) -> None:
    done = fewrec(["table", "longtail", "--smoke", "--jobs", "1"], folder)
    assert done.returncode == 0, done.stderr
    home = Path(done.stdout.splitlines()[-1])
    for name in ("deciles.md", "deciles.tex", "deciles.json", "deciles.html", "table.md"):
        assert (home / name).is_file()
    assert (home / "figures" / "deciles-mae-5.png").is_file()
    lines = pd.read_csv(home / "deciles.csv")
    spec = read_spec(*named(catalogue(None), "longtail"))
    assert set(lines.loc[lines["kind"] == "model", "row"]) == set(spec.rows)
    assert set(lines["side"]) == {"item", "activity", "mainstream"}
    assert set(lines["shots"].astype(str)) == {"5", "all"}
