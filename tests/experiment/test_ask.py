"""``fewrec ask`` on finished runs: what is asked, and what it says of words that do not fit."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.experiment.ask import Questions, as_json, ask

if TYPE_CHECKING:
    from tests.experiment.conftest import Call

pytestmark = pytest.mark.slow
PLAIN: dict[str, Any] = {"k": 4, "known": 1.0, "rated": {}, "about": {}}


@pytest.fixture(scope="module")
def ridge(fewrec: "Call", quick: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that answers with a posterior."""
    folder = tmp_path_factory.mktemp("ridge") / "run"
    words = ("strategy=transfer", "strategy/adapter=ridge", f"hydra.run.dir={folder}")
    return fewrec("train", *quick, *words).run


def asked(base: Path, **words: Any) -> Questions:
    return ask(base, **{**PLAIN, **words}, reporter=Reporter(quiet=True))


def test_the_more_is_known_the_narrower_the_interval(ridge: Path) -> None:
    found = asked(ridge)
    assert found.half is not None
    before, known, after = found.half
    assert before == known > after > 0
    assert [one.tells for one in found.asked] == sorted(one.tells for one in found.asked)[::-1]
    assert after == pytest.approx(1.2816 * found.asked[-1].tells, rel=1e-4)
    assert len({one.item_id for one in found.asked}) == 4
    assert all(one.times > 0 for one in found.asked)


def test_what_is_rated_is_not_asked_again(ridge: Path) -> None:
    first = asked(ridge).asked[0].item_id
    found = asked(ridge, rated={first: 4.0})
    assert first not in [one.item_id for one in found.asked]
    assert found.half is not None
    assert found.half[1] != found.half[0]


def test_everybody_may_know_everything(ridge: Path) -> None:
    likely, all_known = asked(ridge, known=4.0), asked(ridge, known=0.0)
    assert sum(one.times for one in likely.asked) >= sum(one.times for one in all_known.asked)
    assert asked(ridge, k=10_000).asked[:4] == asked(ridge).asked


def test_people_like_the_user_are_counted(ridge: Path) -> None:
    """The generated users have one attribute; the values of all add up to everybody."""
    with pytest.raises(ConfigError, match="about names 'shoe'") as caught:
        asked(ridge, about={"shoe": "42"})
    name = caught.value.remedy.removeprefix("one of: ").split(", ")[0]
    with pytest.raises(ConfigError, match=f"about gives {name}=no such") as caught:
        asked(ridge, about={name: "no such"})
    values = caught.value.remedy.removeprefix("one of: ").split(", ")
    counts = [asked(ridge, about={name: value}).people for value in values]
    assert all(0 < count < 60 for count in counts)
    assert sum(counts) <= 60


@pytest.mark.slow
def test_a_gradient_run_says_what_moves_it(finished: Path) -> None:
    found = asked(finished)
    assert found.half is None
    told = as_json(found)
    assert [one["rank"] for one in told["items"]] == [1, 2, 3, 4]
    assert all(one["moves"] > 0 for one in told["items"])
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize(
    ("rated", "problem", "remedy"),
    [
        ({"x9": 4.0}, "rated names item 'x9'", "give ids as in its files"),
        ({"1": 7.0}, "rated gives item 1 7 stars", "give 1 to 5"),
    ],
)
def test_ratings_that_do_not_fit_are_refused(
    ridge: Path, rated: dict[str, float], problem: str, remedy: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        asked(ridge, rated=rated)
    assert caught.value.remedy.startswith(remedy)


def test_the_command_prints_a_table_or_json(ridge: Path, fewrec: "Call") -> None:
    table = fewrec("ask", f"run={ridge}", "k=3")
    assert table.code == 0, table.err
    lines = table.out.splitlines()
    assert lines[0].startswith("items to ask a new user of synthetic about")
    assert [line.split()[0] for line in lines[2:5]] == ["1", "2", "3"]
    told = json.loads(fewrec("ask", f"run={ridge}", "k=3", "--json").out)
    assert [one["item_id"] for one in told["items"]] == [line.split()[1] for line in lines[2:5]]
    assert told["interval80_half"]["before"] > told["interval80_half"]["after"]
