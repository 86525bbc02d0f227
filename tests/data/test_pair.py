"""Two data sets as one: ids, ratings, attributes, against cases worked out by hand."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.types import Field
from fewrec_cli.data.base import Dataset, DataSource
from fewrec_cli.data.pair import Pair
from fewrec_cli.data.pair_match import title_key
from tests.composed import composed
from tests.contracts import DatasetContract
from tests.data.reading import CONFIGS, ML_100K, ML_CSV, QUIET, counted, reader, write

pytestmark = pytest.mark.usefixtures("folder")

FILMS = "user_id,item_id,stars\nann,x1,1\nann,x2,3\nbob,x1,5\nbob,x3,2\n"
FILM_FACTS = (
    "item_id,name,genres,year,maker\n"
    "x1,War of the robots,War|Drama,1980,acme\nx2,Quiet robots,Drama,1990,acme\n"
    "x3,Nothing,Kids,2000,zeta\n"
)
BOOKS = "user_id,item_id,stars\nann,x1,1\nann,y2,10\neve,y2,4\neve,x1,7\n"
BOOK_FACTS = (
    "item_id,name,genres,year,pages\n"
    "x1,The war book,WAR|Poetry,2010,100\ny2,Dreams of robots,Children|Drama,1990,300\n"
)
KINDS = {"genres": "multi", "name": "text", "year": "ignore"}
OWN = {"source": {"maker": "categorical"}, "target": {"pages": "numeric"}}
NO_VALUE = "data.synonyms: no item attribute of the {} has the value 'Comics'"
SCALES = {"source": [1, 5], "target": [1, 10]}


def joined(source: DataSource, target: DataSource, **keys: Any) -> DataSource:
    """Return the pair of two readers, with some keys of its yaml changed."""
    node = OmegaConf.load(CONFIGS / "pair.yaml")
    assert isinstance(node, DictConfig)
    words = {str(key): node[key] for key in node if key not in ("defaults", "_target_")}
    assert set(keys) <= set(words)
    return Pair(source=source, target=target, **{**words, **keys})


def table(folder: Path, role: str, rows: str, facts: str, **keys: Any) -> DataSource:
    """Write a table with facts on its items, and return its reader."""
    (folder / f"{role}.csv").write_text(rows)
    (folder / f"{role}-items.csv").write_text(facts)
    usual = {
        "interactions": str(folder / f"{role}.csv"),
        "items": str(folder / f"{role}-items.csv"),
        "columns": {"rating": "stars", "year": "year"},
        "kinds": {**KINDS, **OWN[role]},
        "scale": SCALES[role],
        "rare": 1,
    }
    return reader("table", **{**usual, **keys})


def pair(folder: Path, **keys: Any) -> DataSource:
    """Return the pair of films and books, with some keys changed: of the pair, or of one side."""
    own = {role: keys.pop(role, {}) for role in OWN}
    return joined(
        table(folder, "source", FILMS, FILM_FACTS, **own["source"]),
        table(folder, "target", BOOKS, BOOK_FACTS, **own["target"]),
        **keys,
    )


def bags(field: Field, ids: Any) -> dict[str, dict[str, float]]:
    """Return each id's values with their weights, those without any left out."""
    found = {}
    for row, one in enumerate(ids.tolist()):
        part = slice(field.offsets[row], field.offsets[row + 1])
        names = [field.vocabulary[entry] for entry in field.index[part]]
        if names:
            found[str(one)] = dict(zip(names, field.weight[part].tolist(), strict=True))
    return found


def item_field(data: Dataset, name: str) -> dict[str, dict[str, float]]:
    """Return the bags of the item attribute of that name."""
    return bags(next(f for f in data.item_fields if f.name == name), data.item_ids)


class TestPair(DatasetContract):
    def source(self, folder: Path) -> DataSource:
        return pair(folder, items="id", words=1)


def test_equal_ids_are_strangers_unless_the_user_says_so(folder: Path) -> None:
    data = pair(folder).load(QUIET)
    assert data.user_ids.tolist() == ["source:ann", "source:bob", "target:ann", "target:eve"]
    assert data.item_ids.tolist() == [
        "source:x1",
        "source:x2",
        "source:x3",
        "target:x1",
        "target:y2",
    ]
    assert data.domain is not None
    assert data.domain.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert data.interactions.user.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert data.interactions.item.tolist() == [0, 1, 0, 2, 3, 4, 4, 3]


def test_source_ratings_are_stretched_onto_the_target_s_scale(folder: Path) -> None:
    data = pair(folder).load(QUIET)
    assert data.interactions.rating.tolist() == [1, 5.5, 10, 3.25, 1, 10, 4, 7]
    assert data.scale is not None
    assert (data.scale.low, data.scale.high) == (1, 10)
    assert counted(data, "scale") == {
        "ratings of table-source mapped linearly from 1-5 onto 1-10": 4
    }


def test_ids_that_match_are_one_and_the_target_s_row_of_a_pair_stands(folder: Path) -> None:
    data = pair(folder, users="id", items="id").load(QUIET)
    assert data.user_ids.tolist() == ["both:ann", "source:bob", "target:eve"]
    assert data.item_ids.tolist() == ["both:x1", "source:x2", "source:x3", "target:y2"]
    told = counted(data, "duplicates")
    assert list(told.values()) == [1]
    rows = data.interactions
    mine = (rows.user == 0) & (rows.item == 0)
    assert rows.rating[mine].tolist() == [1]
    assert data.domain is not None
    assert data.domain[mine].tolist() == [1]


def test_attributes_are_aligned_by_name_and_value(folder: Path) -> None:
    data = pair(folder).load(QUIET)
    assert item_field(data, "genres") == {
        "source:x1": {"War": 0.5, "Drama": 0.5},
        "source:x2": {"Drama": 1.0},
        "source:x3": {"Kids": 1.0},
        "target:x1": {"War": 0.5, "Poetry": 0.5},
        "target:y2": {"Children": 0.5, "Drama": 0.5},
    }
    assert list(item_field(data, "maker")) == ["source:x1", "source:x2", "source:x3"]
    assert list(item_field(data, "pages")) == ["target:x1", "target:y2"]
    assert (
        counted(data, "genres")[
            "item attribute of both; values that both have, of 3 of the source and 4 of the target"
        ]
        == 2
    )
    assert data.item_year is not None
    assert data.item_year.tolist() == [1980, 1990, 2000, 2010, 1990]


def test_synonyms_translate_the_target_s_values(folder: Path) -> None:
    data = pair(folder, synonyms={"Children": "kids"}).load(QUIET)
    assert item_field(data, "genres")["target:y2"] == {"Kids": 0.5, "Drama": 0.5}


def test_a_matched_item_has_the_target_s_values(folder: Path) -> None:
    data = pair(folder, items="id").load(QUIET)
    assert item_field(data, "genres")["both:x1"] == {"War": 0.5, "Poetry": 0.5}
    assert item_field(data, "maker")["both:x1"] == {"acme": 1.0}
    assert data.item_year is not None
    assert data.item_year[0] == 2010


def test_facts_of_both_sides_stand_by_name(folder: Path) -> None:
    data = pair(folder, source_years=[1985, 2020]).load(QUIET)
    assert data.item_ids.tolist() == ["source:x2", "source:x3", "target:x1", "target:y2"]
    assert dict(data.item_facts) == {
        "name": ("Quiet robots", "Nothing", "The war book", "Dreams of robots"),
        "genres": ("Drama", "Kids", "WAR, Poetry", "Children, Drama"),
        "maker": ("acme", "zeta", "", ""),
    }
    both = pair(folder, items="id").load(QUIET)
    assert both.item_facts["name"][0] == "The war book"
    assert both.item_facts["maker"][0] == "acme"  # the target does not tell


def test_words_of_both_sides_become_an_attribute(folder: Path) -> None:
    data = pair(folder, words=1).load(QUIET)
    found = item_field(data, "words")
    assert found["source:x1"] == dict.fromkeys(("drama", "robots", "the", "war"), 0.25)
    assert found["target:y2"] == {"drama": 0.5, "robots": 0.5}
    assert "source:x3" not in found
    twice = pair(folder, words=9)
    with pytest.raises(DataError, match=re.escape("data.words=9: no word")):
        twice.load(QUIET)


def test_years_keep_a_part_of_each_side_with_a_count(folder: Path) -> None:
    data = pair(folder, source_years=[1980, 1995]).load(QUIET)
    assert data.item_ids.tolist() == ["source:x1", "source:x2", "target:x1", "target:y2"]
    assert counted(data, "years") == {
        "source: rows of items not released from 1980 to 1995: left out": 1
    }
    assert item_field(data, "maker") == {"source:x1": {"acme": 1.0}, "source:x2": {"acme": 1.0}}


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"source_years": [1999, 1998]}, "data.source_years=[1999,1998] is no span of years"),
        ({"target_years": [1900, 1901]}, "data.target_years=[1900,1901] leaves 0 of 2 items"),
        ({"synonyms": {"Comics": "Kids"}}, NO_VALUE.format("target")),
        ({"synonyms": {"Poetry": "Comics"}}, NO_VALUE.format("source")),
        ({"items": "title"}, "table-source has no titles to compare"),
        ({"items": "names"}, "data.items=names is not known"),
        ({"words": 0}, "data.words=0 is no number of items"),
        ({"source": {"shard": "auto"}}, "data.source.shard=auto: a pair is not read in shards"),
        ({"source": {"missing": "perhaps"}}, "source: data.source.missing=perhaps is no policy"),
        ({"target": {"columns": {"year": "year"}, "scale": None}}, "table-source has ratings"),
    ],
)  # fmt: skip
def test_faults_are_told_in_two_lines(folder: Path, keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(DataError) as caught:
        pair(folder, **keys).load(QUIET)
    assert caught.value.problem.startswith(problem)
    assert "\n" not in str(caught.value.problem) + str(caught.value.remedy)


def test_a_file_s_name_is_no_key(folder: Path) -> None:
    source = pair(folder, target={"interactions": str(folder / "data.columns.csv")})
    with pytest.raises(DataError, match=re.escape("/data.columns.csv")):
        source.load(QUIET)


def test_two_data_sets_without_ratings_make_one(folder: Path) -> None:
    bare = {"columns": {"year": "year"}, "scale": None}
    data = pair(folder, source=bare, target=bare).load(QUIET)
    assert data.implicit
    assert data.interactions.rating.tolist() == [1.0] * 8


def test_nothing_in_common_by_id_is_refused(folder: Path) -> None:
    source = pair(folder, items="id")
    (folder / "target.csv").write_text(BOOKS.replace("x1", "z1"))
    (folder / "target-items.csv").write_text(BOOK_FACTS.replace("x1", "z1"))
    with pytest.raises(DataError, match="no item of table-target is one of table-source by id"):
        source.load(QUIET)


def test_titles_are_compared_by_words_and_year() -> None:
    assert title_key("Thing, The (1982)", 1982) == title_key("THE THING", 1982)
    assert title_key("L\xe9on (Professional, The) (1994)", 1994) == title_key("Leon (1994)", 1994)
    assert title_key("Sabrina (1954)", 1954) != title_key("Sabrina (1995)", 1995)
    assert title_key("unknown", 0) == "unknown 0"
    assert title_key("\N{SNOWMAN}", 1990) == ""


def films(folder: Path) -> Dataset:
    """Return the pair of two editions of MovieLens with one film in common."""
    write(folder / "a" / "ml-100k", ML_100K)
    later = ML_CSV["movies.csv"].replace("Odd,(", '"Cafe Noir (1949)",(')
    write(folder / "b" / "ml-latest-small", {**ML_CSV, "movies.csv": later})
    source = reader("movielens", root=str(folder / "a"), rare=1)
    target = reader("movielens", root=str(folder / "b"), rare=1, version="latest-small")
    return joined(source, target, items="title").load(QUIET)


def test_films_are_matched_by_title_and_year(folder: Path) -> None:
    data = films(folder)
    assert data.item_ids.tolist() == ["source:10", "both:20", "source:30", "target:10"]
    assert counted(data, "same items") == {
        "items of the target that the source has too, by title (of 2)": 1
    }


def test_years_in_standard_units_are_those_of_the_pair(folder: Path) -> None:
    data = films(folder)
    (year,) = (field for field in data.item_fields if field.name == "year")
    known = np.array([1995, 1949, 1995])
    assert data.item_year is not None
    assert data.item_year.tolist() == [1995, 1949, 0, 1995]
    expected = (known - known.mean()) / known.std()
    np.testing.assert_allclose(year.weight, expected)
    assert counted(data, "year") == {
        "source: numeric, mean 1972, sd 23; missing: 1": 2,
        "target: numeric, mean 1972, sd 23": 2,
        "item attribute of both: numbers, in standard units of each data set": 3,
        "then in one unit for both: numeric, mean 1979.67, sd 21.6846; missing: 1": 3,
    }


@pytest.mark.slow
def test_real_films_match(real_data: Path) -> None:
    root = str(real_data)
    words = ("data=pair", "data.source.version=1m", "data.items=title")
    cfg = composed(*words, f"data.source.root='{root}'", f"data.target.root='{root}'")
    data: Dataset = instantiate(cfg.data, _convert_="all").load(QUIET)
    (same,) = counted(data, "same items").values()
    assert 1540 <= same <= 1682
    assert len(data.interactions) == 1_100_209
