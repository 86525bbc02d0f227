"""What differs between the versions of MovieLens: names of files, columns, codes."""

import re
from dataclasses import dataclass
from types import MappingProxyType

from fewrec_cli.data.files import Wanted
from fewrec_cli.data.layout import Columns, Layout

GENRES_100K = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip
NO_GENRE = frozenset({"", "unknown", "(no genres listed)"})
AGE_BANDS = (
    (56, "56+"), (50, "50-55"), (45, "45-49"), (35, "35-44"), (25, "25-34"), (18, "18-24"),
    (0, "under 18"),
)  # fmt: skip
GENDERS = MappingProxyType({"F": "female", "M": "male"})
OCCUPATION_NAMES = (
    "other", "educator", "artist", "clerical", "student", "customer-service", "doctor",
    "executive", "farmer", "homemaker", "k12-student", "lawyer", "programmer", "retired", "sales",
    "scientist", "self-employed", "technician", "tradesman", "unemployed", "writer",
)  # fmt: skip
OCCUPATIONS = MappingProxyType({str(code): name for code, name in enumerate(OCCUPATION_NAMES)})
"""ML-1M writes a code where ML-100K writes a word."""

YEAR = re.compile(r"\((\d{4})[^()]*\)")


def title_year(title: str) -> int:
    """Return the year that ends a title, 0 where there is none.

    Example:
        >>> title_year("Toy Story (1995)"), title_year("Series (2001-2003)"), title_year("unknown")
        (1995, 2001, 0)
    """
    years = YEAR.findall(title)
    return int(years[-1]) if years else 0


@dataclass(frozen=True)
class Version:
    """One version's files.

    Attributes:
        wanted: Names of archive, folder and files.
        ratings: The file of ratings.
        items: The file of films.
        users: The file of users, or None.
        columns: Names of the interaction columns.
        layout: How ``ratings`` is written.
        item_layout: How ``items`` is written.
        user_layout: How ``users`` is written, or None.
        genre_column: Column of the genres, separated by ``|``; empty where there are flags.
        genre_flags: Columns that hold 1 where a film has the genre.
    """

    wanted: Wanted
    ratings: str
    items: str
    users: str | None
    columns: Columns
    layout: Layout
    item_layout: Layout
    user_layout: Layout | None
    genre_column: str
    genre_flags: tuple[str, ...]


RATING_COLUMNS = ("user", "item", "rating", "timestamp")


def _tabs() -> Version:
    """The layout of 100K: ``u.data``, ``u.item``, ``u.user``."""
    files = ("u.data", "u.item", "u.user")
    film = ("item", "title", "release", "video release", "url", *GENRES_100K)
    user = ("user", "age", "gender", "occupation", "zip")
    return Version(
        Wanted("MovieLens 100k", ("ml-100k.zip",), ("ml-100k",), files),
        *files,
        Columns(*RATING_COLUMNS),
        Layout("\t", "latin-1", RATING_COLUMNS, quoted=False),
        Layout("|", "latin-1", film, quoted=False),
        Layout("|", "latin-1", user, quoted=False),
        genre_column="",
        genre_flags=GENRES_100K,
    )


def _colons(name: str, archive: str, folder: str, encoding: str, users: str | None) -> Version:
    """The layout of 1M and 10M: ``::`` between fields."""
    files = ("ratings.dat", "movies.dat", *([users] if users else []))
    user = ("user", "gender", "age", "occupation", "zip")
    return Version(
        Wanted(f"MovieLens {name}", (archive,), (folder, archive.removesuffix(".zip")), files),
        "ratings.dat",
        "movies.dat",
        users,
        Columns(*RATING_COLUMNS),
        Layout("::", encoding, RATING_COLUMNS, quoted=False),
        Layout("::", encoding, ("item", "title", "genres"), quoted=False),
        Layout("::", encoding, user, quoted=False) if users else None,
        genre_column="genres",
        genre_flags=(),
    )


def _commas(name: str) -> Version:
    """The layout of all later versions: CSV with a header."""
    layout = Layout(",", "utf-8")
    return Version(
        Wanted(
            f"MovieLens {name}", (f"ml-{name}.zip",), (f"ml-{name}",), ("ratings.csv", "movies.csv")
        ),
        "ratings.csv",
        "movies.csv",
        None,
        Columns("userId", "movieId", "rating", "timestamp"),
        layout,
        layout,
        None,
        genre_column="genres",
        genre_flags=(),
    )


VERSIONS = MappingProxyType(
    {
        "100k": _tabs(),
        "1m": _colons("1m", "ml-1m.zip", "ml-1m", "latin-1", "users.dat"),
        "latest-small": _commas("latest-small"),
        "10m": _colons("10m", "ml-10m.zip", "ml-10M100K", "utf-8", None),
        "20m": _commas("20m"),
        "25m": _commas("25m"),
        "32m": _commas("32m"),
    }
)
