"""The anime recommendations database: series and films rated 1-10, or only watched (-1)."""

import html
from collections.abc import Sequence

import numpy as np

from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.base import Dataset, DataSource, Note
from fewrec_cli.data.delimited import read_ratings, read_texts
from fewrec_cli.data.duplicate import Duplicates
from fewrec_cli.data.field import categorical, multi, numeric
from fewrec_cli.data.files import Wanted, require
from fewrec_cli.data.layout import Columns, Layout, Rules
from fewrec_cli.data.prepare import Described, Missing, Origin, SideTable, align, assemble, index
from fewrec_cli.data.rating import Unrated, split_unrated
from fewrec_cli.data.scale import parse_scale
from fewrec_cli.data.side import as_numbers

RATINGS, ITEMS = "rating.csv", "anime.csv"
NAME = "anime-recommendations-database"
WANTED = Wanted(
    "the anime recommendations database",
    (f"{NAME}.zip", "archive.zip"),
    (NAME, "anime"),
    (RATINGS, ITEMS),
    flat=True,
)
LAYOUT = Layout(",", "utf-8")
COLUMNS = Columns("user_id", "anime_id", "rating", None)


class Anime(DataSource):
    """Viewers' ratings of anime, in the layout of the public database.

    Args:
        root: Folder to look in first, or None.
        scale: Lowest and highest level, and their step if not 1.
        positive: A rating of at least this counts as liked.
        implicit: What becomes of rows rated -1: ``drop``, ``only`` or ``all``.
        duplicates: What several rows of one viewer and one title count.
        missing: What becomes of rated titles without a line in their file.
        rare: Attribute values on fewer titles than this fold into ``other``.
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
    ) -> None:
        self.root = root
        self.scale = scale
        self.positive = positive
        self.implicit = implicit
        self.duplicates = duplicates
        self.missing = missing
        self.rare = rare

    def load(self, reporter: Reporter) -> Dataset:
        """Read the two files."""
        scale = parse_scale(self.scale)
        found = require(
            WANTED, self.root, f"fetch {NAME}.zip and name its folder with data.root=FOLDER"
        )
        ratings = read_ratings(
            found.files[RATINGS], LAYOUT, COLUMNS, Rules(scale, also=(-1.0,)), reporter
        )
        ratings, notes = split_unrated(ratings, -1.0, self.implicit)
        indexed = index(ratings, self.duplicates)
        columns = read_texts(found.files[ITEMS], LAYOUT, reporter)
        table = SideTable(found.files[ITEMS].label, columns.pop("anime_id"), columns)
        items = self._describe(*align(indexed.item_ids, table, "item", self.missing))
        rated = self.implicit == "drop"
        origin = Origin(
            "anime",
            scale if rated else None,
            self.positive if rated else 1.0,
            found.sources,
            (found.note, *notes),
        )
        return assemble(indexed, Described(), items, origin)

    def _describe(self, table: SideTable, notes: tuple[Note, ...]) -> Described:
        genres = [[g.strip() for g in row.split(",")] for row in table.columns["genre"]]
        # Mean rating and number of members count the very ratings that are to be predicted.
        told = Note("columns", 2, "rating and members of anime.csv left out: they sum up ratings")
        episodes = as_numbers(table.columns["episodes"])
        pairs = (
            multi("genres", genres, self.rare),
            categorical("type", table.columns["type"], self.rare),
            numeric("log episodes", np.log(np.where(episodes > 0, episodes, np.nan))),
        )
        text = tuple(
            f"{html.unescape(name)}. {row}." if row else f"{html.unescape(name)}."
            for name, row in zip(table.columns["name"], table.columns["genre"], strict=True)
        )
        fields = tuple(field for field, _ in pairs if field is not None)
        title = tuple(html.unescape(name) for name in table.columns["name"])
        facts = {
            "title": title,
            "genres": tuple(table.columns["genre"]),
            "type": tuple(table.columns["type"]),
        }
        notes = (*notes, told, *(note for _, note in pairs))
        return Described(fields, notes, None, text, title, facts)
