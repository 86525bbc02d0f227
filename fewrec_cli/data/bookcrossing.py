"""Book-Crossing: books rated 1-10, most rows without a rating."""

import html
from collections.abc import Sequence

import numpy as np

from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.base import Dataset, DataSource, Note
from fewrec_cli.data.delimited import read_ratings, read_texts
from fewrec_cli.data.duplicate import Duplicates
from fewrec_cli.data.field import categorical, numeric
from fewrec_cli.data.files import Wanted, require
from fewrec_cli.data.layout import Columns, Layout, Rules
from fewrec_cli.data.prepare import Described, Missing, Origin, SideTable, align, assemble, index
from fewrec_cli.data.rating import Unrated, split_unrated
from fewrec_cli.data.scale import parse_scale
from fewrec_cli.data.side import as_numbers

RATINGS, BOOKS, USERS = "BX-Book-Ratings.csv", "BX-Books.csv", "BX-Users.csv"
WANTED = Wanted(
    "Book-Crossing",
    ("BX-CSV-Dump.zip",),
    ("BX-CSV-Dump", "book-crossing"),
    (RATINGS, BOOKS, USERS),
    flat=True,
)
LAYOUT = Layout(";", "latin-1", escape="\\")
COLUMNS = Columns("User-ID", "ISBN", "Book-Rating", None)


class BookCrossing(DataSource):
    """Readers' ratings of books, in the layout of the public CSV dump.

    Args:
        root: Folder to look in first, or None.
        scale: Lowest and highest level, and their step if not 1.
        positive: A rating of at least this counts as liked.
        implicit: What becomes of rows rated 0: ``drop``, ``only`` or ``all``.
        duplicates: What several rows of one reader and one book count.
        missing: What becomes of rated books (readers) without a line in their file.
        rare: Attribute values on fewer readers (books) than this fold into ``other``.
        ages: Lowest and highest age that is believed (years).
        years: First and last year of publication that is believed.

    Source:
        Ziegler et al., "Improving Recommendation Lists Through Topic Diversification", WWW 2005.
    """

    def __init__(
        self,
        *,
        root: str | None,
        scale: Sequence[float],
        positive: float,
        implicit: Unrated,
        duplicates: Duplicates,
        missing: Missing,
        rare: int,
        ages: Sequence[int],
        years: Sequence[int],
    ) -> None:
        self.root = root
        self.scale = scale
        self.positive = positive
        self.implicit = implicit
        self.duplicates = duplicates
        self.missing = missing
        self.rare = rare
        self.ages = ages
        self.years = years

    def load(self, reporter: Reporter) -> Dataset:
        """Read the three files."""
        scale = parse_scale(self.scale)
        found = require(
            WANTED, self.root, "fetch BX-CSV-Dump.zip and name its folder with data.root=FOLDER"
        )
        ratings = read_ratings(
            found.files[RATINGS], LAYOUT, COLUMNS, Rules(scale, also=(0.0,)), reporter
        )
        ratings, notes = split_unrated(ratings, 0.0, self.implicit)
        indexed = index(ratings, self.duplicates)
        columns = read_texts(found.files[BOOKS], LAYOUT, reporter)
        books = SideTable(found.files[BOOKS].label, columns.pop("ISBN"), columns)
        columns = read_texts(found.files[USERS], LAYOUT, reporter)
        readers = SideTable(found.files[USERS].label, columns.pop("User-ID"), columns)
        items = self._describe_books(*align(indexed.item_ids, books, "item", self.missing))
        users = self._describe_readers(*align(indexed.user_ids, readers, "user", self.missing))
        rated = self.implicit == "drop"
        origin = Origin(
            "bookcrossing",
            scale if rated else None,
            self.positive if rated else 1.0,
            found.sources,
            (found.note, *notes),
        )
        return assemble(indexed, users, items, origin)

    def _describe_books(self, table: SideTable, notes: tuple[Note, ...]) -> Described:
        column = {
            name: [html.unescape(v) for v in values] for name, values in table.columns.items()
        }
        author = categorical("author", [a.lower() for a in column["Book-Author"]], self.rare)
        publisher = categorical("publisher", [p.lower() for p in column["Publisher"]], self.rare)
        written = as_numbers(column["Year-Of-Publication"])
        believed = (written >= self.years[0]) & (written <= self.years[1])
        year = numeric("year", np.where(believed, written, np.nan))
        pairs = (author, publisher, year)
        text = tuple(
            f"{title}, by {name}." if name else title
            for title, name in zip(column["Book-Title"], column["Book-Author"], strict=True)
        )
        return Described(
            tuple(field for field, _ in pairs if field is not None),
            (*notes, *(note for _, note in pairs)),
            np.where(believed, written, 0).astype(np.int64),
            text,
            tuple(column["Book-Title"]),
            {
                "title": tuple(column["Book-Title"]),
                "author": tuple(column["Book-Author"]),
                "publisher": tuple(column["Publisher"]),
            },
        )

    def _describe_readers(self, table: SideTable, notes: tuple[Note, ...]) -> Described:
        countries = [place.rsplit(",", 1)[-1].strip() for place in table.columns["Location"]]
        age = as_numbers(table.columns["Age"])
        believed = (age >= self.ages[0]) & (age <= self.ages[1])
        ages = tuple(f"{a:g}" if ok else "" for a, ok in zip(age, believed, strict=True))
        pairs = (
            categorical("country", countries, self.rare),
            numeric("age", np.where(believed, age, np.nan)),
        )
        return Described(
            tuple(field for field, _ in pairs if field is not None),
            (*notes, *(note for _, note in pairs)),
            facts={"country": tuple(countries), "age": ages},
        )
