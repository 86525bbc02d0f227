"""Given folds of RecBole-MetaRec's protocol: users, roles, order and positives, from one table."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from fewrec_cli.core.errors import DataError, ScenarioError
from fewrec_cli.core.types import IntArray
from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.data.files import READ_AGAIN, describe_places, first_place, open_faults, source_file

TABLE = "ml100k_metarec.parquet"
FOLDERS = ("splits", "ml-100k")
COLUMNS = ("seed", "scenario", "role", "pos", "user_id", "item_id", "rel5")
OTHER_DATA = "take the data it was made of: data=movielens data.version=100k"


@dataclass(frozen=True)
class Fold:
    """One fold as rows of ``Dataset.interactions``.

    Attributes:
        train: Rows of the training users, ``(n,)``, ascending.
        valid: Rows of the validation tasks: each user's support in its order, then its query.
        test: Rows of the test tasks, likewise.
        preferred: Query rows that the fold names as positives, ``(n,)``.
        notes: Where it was read from, and what is listed nowhere.
    """

    train: IntArray
    valid: IntArray
    test: IntArray
    preferred: IntArray
    notes: tuple[Note, ...]


def find_fold(dataset: Dataset, seed: int, folder: str | None, query: int) -> Fold:
    """Look up a fold's rows by user id and item id.

    Args:
        dataset: MovieLens 100K, with the ids of the original files.
        seed: The fold's name.
        folder: Where to look first, before ``FEWREC_DATA`` and ``data/``; or None.
        query: Query rows per task that are asked for.

    Raises:
        DataError: The file is broken.
        ScenarioError: The table is nowhere, has no such fold, or lists other ratings or another
            number of query rows than the data, or the config, has.
    """
    path = _found(folder)
    table = _read(path)
    folds = sorted(int(one) for one in table["seed"].unique())
    if seed not in folds:
        raise ScenarioError(
            f"scenario.fold={seed} is not in {path.name}",
            f"choose one of {', '.join(map(str, folds))}, or null for a split by scenario.seed",
        )
    table = table[table["seed"] == seed]
    asked = table["role"] == "query"
    _refuse_other_query(table[asked & (table["scenario"] != "train")], seed, query)
    table = table.assign(row=_rows(dataset, table, path), asked=asked)
    table = table.sort_values(["asked", "pos"], kind="stable")
    parts = {name: part["row"].to_numpy() for name, part in table.groupby("scenario")}
    preferred = table.loc[table["rel5"] == 1, "row"].to_numpy()
    _refuse_low_positives(dataset, table, path)
    aside = len(dataset.interactions) - len(table)
    digest = source_file(path).sha256[:12]
    notes = [
        Note(
            "fold",
            len(table),
            f"ratings of fold {seed}: roles and order read from {path.name}, sha256 {digest}",
        )
    ]
    if aside:
        notes.append(Note("set aside", aside, "ratings of users that the fold does not list"))
    return Fold(np.sort(parts["train"]), parts["valid"], parts["test"], preferred, tuple(notes))


def _found(folder: str | None) -> Path:
    if folder is not None and not Path(folder).expanduser().is_dir():
        raise ScenarioError(
            f"scenario.files={folder} is no folder", f"name the folder that holds {TABLE}"
        )
    hit = first_place(folder, _look)
    if hit is None:
        raise ScenarioError(
            f"the given folds were not found: no {TABLE} in {describe_places(folder)}",
            "put it there, name its folder with scenario.files=FOLDER, or take scenario.fold=null",
        )
    return hit[1]


def _look(place: Path) -> Path | None:
    paths = [folder / TABLE for folder in (place, *(place / name for name in FOLDERS))]
    return next((path for path in paths if path.is_file()), None)


def _read(path: Path) -> pd.DataFrame:
    try:
        with open_faults(str(path)):
            table = pyarrow.parquet.read_table(path, columns=list(COLUMNS)).to_pandas()
        numbers: pd.DataFrame = table.astype(
            {name: "int64" for name in COLUMNS if name not in ("scenario", "role")}
        )
    except (pa.ArrowException, KeyError, ValueError, TypeError) as fault:
        raise DataError(
            f"{path} cannot be read: {str(fault).splitlines()[0][:200]}",
            f"give a Parquet file with the columns {', '.join(COLUMNS)}",
        ) from fault
    words = {"scenario": {"train", "valid", "test"}, "role": {"support", "query"}}
    for name, known in words.items():
        unknown = set(numbers[name].astype(str)) - known
        if unknown:
            raise DataError(f"{path} has {name} {sorted(unknown)[0]!r}", READ_AGAIN)
        numbers[name] = numbers[name].astype(str)
    return numbers


def _rows(dataset: Dataset, table: pd.DataFrame, path: Path) -> IntArray:
    """Return the row of every listed rating, which must all be in the data."""
    rows = dataset.interactions
    if dataset.user_ids.dtype != np.int64 or dataset.item_ids.dtype != np.int64:
        raise ScenarioError(
            f"{path.name} lists whole numbers, and the data has other ids", OTHER_DATA
        )
    pairs = dataset.user_ids[rows.user] << 32 | dataset.item_ids[rows.item]
    wanted = table["user_id"].to_numpy() << 32 | table["item_id"].to_numpy()
    order = np.argsort(pairs, kind="stable")
    place = np.minimum(np.searchsorted(pairs[order], wanted), len(pairs) - 1)
    found = order[place]
    missing = int((pairs[found] != wanted).sum())
    if missing or len(np.unique(found)) != len(found):
        raise ScenarioError(
            f"{path.name} lists {len(wanted):,} ratings, and {dataset.name} has "
            f"{len(np.unique(found[pairs[found] == wanted])):,} of them",
            OTHER_DATA,
        )
    return np.asarray(found)


def _refuse_other_query(queries: pd.DataFrame, seed: int, query: int) -> None:
    counts = queries.groupby(["scenario", "user_id"]).size()
    if not (counts == query).all():
        raise ScenarioError(
            f"scenario.query={query}, and the tasks of scenario.fold={seed} have "
            f"{int(counts.min())} query ratings",
            f"take scenario.query={int(counts.min())}, or scenario.fold=null",
        )


def _refuse_low_positives(dataset: Dataset, table: pd.DataFrame, path: Path) -> None:
    """Refuse positives that are rated lower than another query item of their task."""
    stars = table.assign(stars=dataset.interactions.rating[table["row"]])[table["asked"]]
    named = stars["rel5"] == 1
    lowest = stars[named].groupby("user_id")["stars"].min()
    highest = stars[~named].groupby("user_id")["stars"].max()
    wrong = int((lowest.reindex(highest.index, fill_value=np.inf) < highest).sum())
    if wrong:
        raise DataError(
            f"{path} names positives of {wrong:,} users that are not their highest-rated",
            READ_AGAIN,
        )
