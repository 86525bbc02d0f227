"""Generated ratings written as MovieLens and the authors of given splits ship theirs.

Users and films have hidden tastes, so that there is something to learn; nothing in them is real.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from fewrec_cli.core.seeding import generator
from fewrec_cli.core.types import FloatArray, IntArray

USERS, FILMS = 240, 160
FEWEST, MOST = 70, 95
"""Ratings per user: each user then has 13 to 100 in every state of the given splits."""
NEW_USERS, NEW_FILMS = 0.2, 0.3
NEW_YEAR = 1998
FACTORS = 3
WARM_UP = 0.3
GENRES = ("Action", "Comedy", "Drama", "Horror", "Romance")
AGES = (1, 18, 25, 35, 45, 50, 56)
FOLDS = (1128, 1129, 1130)
QUERY, LIKED = 10, 5
LEFT_OUT = 10
"""Ratings of each user in ``ua.test``."""
FLAGS = 19
"""Genre flags of a line of ``u.item``."""


@dataclass(frozen=True)
class Generated:
    """Ratings and who is new.

    Attributes:
        user: User of each rating, from 1, ``(n,)``.
        film: Film of each rating, from 1, ``(n,)``.
        rating: Whole stars, 1 to 5, ``(n,)``.
        time: Seconds, ascending within a user, ``(n,)``.
        year: Year of each film, ``(FILMS,)``.
        genre: Number of each film's genre, ``(FILMS,)``.
    """

    user: IntArray
    film: IntArray
    rating: IntArray
    time: IntArray
    year: IntArray
    genre: IntArray


def generate(seed: int = 0) -> Generated:
    """Generate ratings; the same seed gives the same ones."""
    draw = generator(seed, "smoke")
    user_taste = draw.normal(size=(USERS, FACTORS))
    film_taste = draw.normal(size=(FILMS, FACTORS))
    mean: FloatArray = 3.4 + draw.normal(0, 0.5, (USERS, 1)) + draw.normal(0, 0.5, (1, FILMS))
    mean += user_taste @ film_taste.T / FACTORS
    counts = draw.integers(FEWEST, MOST + 1, USERS)
    order = np.argsort(draw.random((USERS, FILMS)), axis=1)
    taken = np.arange(FILMS) < counts[:, None]
    user, film = np.nonzero(taken)[0], order[taken]
    rating = np.clip(np.rint(mean[user, film] + draw.normal(0, 0.7, len(user))), 1, 5)
    new = np.arange(FILMS) >= round(FILMS * (1 - NEW_FILMS))
    year = np.where(new, draw.integers(NEW_YEAR, 2001, FILMS), draw.integers(1950, 1998, FILMS))
    time = 978_300_000 + user * 10_000 + np.arange(len(user)) % 9_000
    genre = np.argmax(film_taste @ draw.normal(size=(FACTORS, len(GENRES))), axis=1)
    whole = rating.astype(np.int64)
    return Generated(user + 1, film + 1, whole, time.astype(np.int64), year, genre)


def write_all(folder: Path) -> None:
    """Write every layout that tables read below a folder."""
    ratings = generate()
    folder.mkdir(parents=True, exist_ok=True)
    movielens_1m(folder / "ml-1m", ratings)
    movielens_100k(folder / "ml-100k", ratings)
    states(folder / "ml-1m-extra", ratings)
    film_facts(folder / "ml-1m-extra", ratings)
    bookcrossing(folder / "BX-CSV-Dump", ratings)
    anime(folder / "anime", ratings)
    metarec_folds(folder / "splits", ratings)


def movielens_1m(folder: Path, made: Generated) -> None:
    """``::`` between fields."""
    rows = zip(made.user, made.film, made.rating, made.time, strict=True)
    films = [
        f"{number + 1}::Film {number + 1} ({made.year[number]})::{GENRES[made.genre[number]]}"
        for number in range(FILMS)
    ]
    people = [
        f"{number}::{'FM'[number % 2]}::{AGES[number % len(AGES)]}::{number % 21}::{10000 + number}"
        for number in range(1, USERS + 1)
    ]
    _lines(folder / "ratings.dat", ["::".join(map(str, row)) for row in rows])
    _lines(folder / "movies.dat", films)
    _lines(folder / "users.dat", people)


def film_facts(folder: Path, made: Generated) -> None:
    """MeLU's ``movies_extrainfos.dat``: eleven fields, lists parted by commas."""
    films = []
    for number in range(FILMS):
        who = (
            f"Director {number % 40}",
            f"Writer {number % 30} (screenplay)",
            f"Actor {number % 50}",
        )
        facts = (f"Film {number + 1}", made.year[number], "PG", f"01 Jan {made.year[number]}")
        rest = (GENRES[made.genre[number]], *who, "A plot.", "N/A")
        films.append("::".join(map(str, (number + 1, *facts, *rest))))
    _lines(folder / "movies_extrainfos.dat", films)


def movielens_100k(folder: Path, made: Generated) -> None:
    """Tabs and ``|`` between fields; ``ua.test`` has the last rows of each user."""
    order = np.lexsort((made.film, made.user))
    fields = zip(made.user, made.film, made.rating, made.time, strict=True)
    rows = ["\t".join(map(str, one)) for one in fields]
    later = _places(made.user, -made.film) < LEFT_OUT
    films = []
    for number in range(FILMS):
        flags = "|".join(str(int(flag == made.genre[number] + 1)) for flag in range(FLAGS))
        title = f"Film {number + 1} ({made.year[number]})"
        films.append(f"{number + 1}|{title}|01-Jan-{made.year[number]}||http://x|{flags}")
    people = [
        f"{number}|{20 + number % 40}|{'FM'[number % 2]}|student|{10000 + number}"
        for number in range(1, USERS + 1)
    ]
    _lines(folder / "u.data", rows)
    _lines(folder / "ua.base", [rows[row] for row in order if not later[row]])
    _lines(folder / "ua.test", [rows[row] for row in order if later[row]])
    _lines(folder / "u.item", films)
    _lines(folder / "u.user", people)


def bookcrossing(folder: Path, made: Generated) -> None:
    """``;`` between quoted fields; twice the stars."""
    ratings = [
        f'"{user}";"B{film}";"{2 * stars}"'
        for user, film, stars in zip(made.user, made.film, made.rating, strict=True)
    ]
    books = [
        f'"B{number + 1}";"Film of {GENRES[made.genre[number]]}";"Author {number % 9}";'
        f'"{made.year[number]}";"Publisher";"";"";""'
        for number in range(FILMS)
    ]
    people = [f'"{number}";"town, usa";"{20 + number % 40}"' for number in range(1, USERS + 1)]
    title = '"ISBN";"Book-Title";"Book-Author";"Year-Of-Publication";"Publisher"'
    images = '"Image-URL-S";"Image-URL-M";"Image-URL-L"'
    _lines(folder / "BX-Book-Ratings.csv", ['"User-ID";"ISBN";"Book-Rating"', *ratings])
    _lines(folder / "BX-Books.csv", [f"{title};{images}", *books])
    _lines(folder / "BX-Users.csv", ['"User-ID";"Location";"Age"', *people])


def anime(folder: Path, made: Generated) -> None:
    """Commas between fields; twice the stars."""
    ratings = [
        f"{user},{film},{2 * stars}"
        for user, film, stars in zip(made.user, made.film, made.rating, strict=True)
    ]
    shows = [
        f'{number + 1},Film {number + 1},"{GENRES[made.genre[number]]}, Kids",TV,12,7.5,100'
        for number in range(FILMS)
    ]
    _lines(folder / "rating.csv", ["user_id,anime_id,rating", *ratings])
    _lines(folder / "anime.csv", ["anime_id,name,genre,type,episodes,rating,members", *shows])


def states(folder: Path, made: Generated) -> None:
    """The table of MeLU's and MetaHIN's states: the last users and the latest films are new."""
    cold_user = made.user > round(USERS * (1 - NEW_USERS))
    cold_film = made.year[made.film - 1] >= NEW_YEAR
    place = 2 * cold_film + cold_user
    melu = np.array(
        ["warm_state", "user_cold_state", "item_cold_state", "user_and_item_cold_state"]
    )[place]
    metahin = np.array(
        [
            *("meta_training", "user_cold_testing"),
            *("item_cold_testing", "user_and_item_cold_testing"),
        ]
    )[place].astype(object)
    later = generator(0, "smoke", "warm-up").random(len(place)) < WARM_UP
    metahin[(place == 0) & later] = "warm_up"
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table(
        {
            "user_id": made.user,
            "item_id": made.film,
            "rating": made.rating,
            "scenario": metahin.tolist(),
            "melu_scenario": melu.tolist(),
        }
    )
    pyarrow.parquet.write_table(table, folder / "metahin_scenarios.parquet")


def metarec_folds(folder: Path, made: Generated) -> None:
    """The table of RecBole-MetaRec's folds: users 8:1:1, ten query ratings, five of them liked."""
    parts = [_fold(made, seed) for seed in FOLDS]
    folder.mkdir(parents=True, exist_ok=True)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    pyarrow.parquet.write_table(pa.table(columns), folder / "ml100k_metarec.parquet")


def _fold(made: Generated, seed: int) -> dict[str, np.ndarray]:
    """Return one fold's columns, a row per rating."""
    draw = generator(seed, "smoke", "fold")
    group = np.select([np.arange(USERS) < 0.1 * USERS, np.arange(USERS) < 0.2 * USERS], [2, 1], 0)
    scenario = np.array(["train", "valid", "test"])[draw.permutation(group)[made.user - 1]]
    place = _places(made.user, draw.random(len(made.user)))
    query = place < QUERY
    best = _places(made.user, place - 1000.0 * (made.rating + 10 * query))
    return {
        "seed": np.full(len(place), seed),
        "user_id": made.user,
        "item_id": made.film,
        "rating": made.rating,
        "scenario": scenario,
        "role": np.where(query, "query", "support"),
        "pos": np.where(query, place, place - QUERY),
        "rel5": (query & (best < LIKED)).astype(np.int64),
    }


def _places(owner: IntArray, key: FloatArray | IntArray) -> IntArray:
    """Return each row's place among its owner's, by ascending key, ``(n,)``."""
    order = np.lexsort((key, owner))
    first = np.searchsorted(owner[order], owner[order])
    places = np.empty_like(order)
    places[order] = np.arange(len(order)) - first
    return places


def _lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="latin-1")
