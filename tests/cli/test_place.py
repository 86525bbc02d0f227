"""Options within an option: how they are written, and where they have no place."""

from pathlib import Path

import pytest

from fewrec_cli.cli.catalogue import Catalogue, catalogue
from fewrec_cli.cli.compose import take_apart
from fewrec_cli.cli.faults import composed_and_checked
from fewrec_cli.cli.place import homeless, placed, places
from fewrec_cli.core.errors import FewrecError


@pytest.fixture(scope="module")
def library() -> Catalogue:
    return catalogue()


def test_a_place_is_written_with_a_slash(library: Catalogue) -> None:
    words = ("data=pair", "data/source=anime,movielens", "seed=1")
    assert placed(words, library) == ("data=pair", "data@data.source=anime,movielens", "seed=1")


@pytest.mark.parametrize(
    "word", ["strategy/adapter=ridge", "data/sorce=anime", "strategy/source=maml", "data=a/b=c"]
)
def test_other_words_stay_as_they_are(word: str, library: Catalogue) -> None:
    assert placed([word], library) == (word,)


def test_places_are_read_from_the_defaults_of_the_options(library: Catalogue) -> None:
    assert places("data", library) == {"source", "target"}
    assert places("backbone", library) == frozenset()


def test_a_user_s_own_option_may_have_places_too(tmp_path: Path) -> None:
    (tmp_path / "backbone").mkdir()
    text = "defaults:\n  - /backbone@teacher: mf\n_target_: own.Student\n"
    (tmp_path / "backbone" / "student.yaml").write_text(text)
    library = catalogue(tmp_path)
    assert placed(["backbone/teacher=mlp"], library) == ("backbone@backbone.teacher=mlp",)


def test_a_place_that_the_chosen_option_lacks_is_told(library: Catalogue) -> None:
    words = ("data@data.source=anime",)
    fault = homeless(words, {"data": "synthetic"}, library)
    assert str(fault) == (
        "data/source is no part of data=synthetic\n  add data=pair, or leave data/source out"
    )
    assert homeless(words, {"data": "pair"}, library) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["data=pair", "data.source=anime"], "did you mean data/source=anime?"),
        (["data=pair", "data/source=animee"], "no data 'animee'; did you mean 'anime'?"),
        (["data=pair", "data.source.versoin=1m"], "did you mean data.source.version?"),
        (["data=movielens", "data/source=anime"], "data/source is no part of data=movielens"),
    ],
)
def test_mistakes_are_told_with_the_right_word(words: list[str], told: str) -> None:
    with pytest.raises(FewrecError) as caught:
        composed_and_checked(take_apart("train", words))
    assert told in str(caught.value)


def test_options_compose_in_their_places() -> None:
    words = ["data=pair", "data/source=anime", "data/target=movielens", "data.target.version=1m"]
    data = composed_and_checked(take_apart("train", words)).data
    assert data.source["_target_"].endswith("Anime")
    assert data.target.version == "1m"
