"""MovieLens, from 100K to 32M: three layouts, one reader."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fewrec_cli.core.errors import DataError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.base import Dataset, DataSource, Note
from fewrec_cli.data.delimited import read_ratings, read_texts
from fewrec_cli.data.download import Download
from fewrec_cli.data.duplicate import Duplicates
from fewrec_cli.data.field import categorical, multi, numeric
from fewrec_cli.data.files import Found, find
from fewrec_cli.data.layout import Rules
from fewrec_cli.data.movielens_extra import read_extra
from fewrec_cli.data.movielens_text import read_film_texts
from fewrec_cli.data.movielens_version import (
    AGE_BANDS,
    GENDERS,
    NO_GENRE,
    OCCUPATIONS,
    VERSIONS,
    Version,
    title_year,
)
from fewrec_cli.data.prepare import Described, Missing, Origin, SideTable, align, assemble, index
from fewrec_cli.data.scale import parse_scale


class MovieLens(DataSource):
    """GroupLens' ratings of films, downloaded where they are not on disk.

    Args:
        version: One of the keys of ``scales``.
        root: Folder to look in first and to download into, or None.
        url: Where the archives are published.
        timeout: How long to wait for the server (seconds).
        scales: Scale of each version; ``scale`` takes its value from here.
        scale: Lowest and highest level, and their step if not 1.
        positive: A rating of at least this (stars) counts as liked.
        duplicates: What several ratings of one film by one user count.
        missing: What becomes of rated films without a line in the films' file.
        rare: Attribute values on fewer users (films) than this fold into ``other``.
        zip_prefix: First characters of the zip code that are kept; 0 leaves it out.
        extra: File of further facts on films (age class, genres, directors, writers, cast), as
            MeLU ships it for MovieLens 1M; ``auto`` looks for it, None leaves them out.
        text: File of texts on films (plot, director, cast), for language models; ``auto`` looks for
            it, None leaves them out.

    Source:
        Harper and Konstan, "The MovieLens Datasets: History and Context", TiiS 2015.
    """

    def __init__(
        self,
        *,
        version: str,
        root: str | None,
        url: str,
        timeout: float,
        scales: Mapping[str, Sequence[float]],
        scale: Sequence[float] | None,
        positive: float,
        duplicates: Duplicates,
        missing: Missing,
        rare: int,
        zip_prefix: int,
        extra: str | None,
        text: str | None,
    ) -> None:
        self.version = version
        self.root = root
        self.url = url
        self.timeout = timeout
        self.scales = scales
        self.scale = scale
        self.positive = positive
        self.duplicates = duplicates
        self.missing = missing
        self.rare = rare
        self.zip_prefix = zip_prefix
        self.extra = extra
        self.text = text

    def load(self, reporter: Reporter) -> Dataset:
        """Read one version, downloading it first where it is nowhere."""
        version = self._version()
        if self.zip_prefix < 0:
            raise DataError(
                f"data.zip_prefix={self.zip_prefix} is no length", "give 0 or more characters"
            )
        scale = parse_scale(self.scale or self.scales[self.version])
        found = self._find(version, reporter)
        ratings = read_ratings(
            found.files[version.ratings], version.layout, version.columns, Rules(scale), reporter
        )
        indexed = index(ratings, self.duplicates)
        del ratings
        table, notes = align(
            indexed.item_ids, self._items(version, found, reporter), "item", self.missing
        )
        items = self._describe_items(table, notes)
        sources = found.sources
        if self.extra is not None and items.year is not None:
            more = read_extra(
                self.extra, self.root, indexed.item_ids, items.year, self.rare, reporter
            )
            fields, notes = (*items.fields, *more.fields), (*items.notes, *more.notes)
            items = replace(items, fields=fields, notes=notes)
            sources = (*sources, more.source)
        if self.text is not None and items.year is not None:
            told = read_film_texts(
                self.text, self.root, self.version, indexed.item_ids, items.year, reporter
            )
            items = replace(
                items,
                notes=(*items.notes, *told.notes),
                facts={**items.facts, **told.facts},
                further=frozenset(told.facts),
            )
            sources = (*sources, told.source)
        users = Described()
        if version.users is not None:
            table, notes = align(
                indexed.user_ids, self._users(version, found, reporter), "user", self.missing
            )
            users = self._describe_users(table, notes)
        name = f"movielens-{self.version}"
        origin = Origin(name, scale, self.positive, sources, (found.note,))
        return assemble(indexed, users, items, origin)

    def _version(self) -> Version:
        if self.version not in VERSIONS or self.version not in self.scales:
            raise DataError(
                f"no movielens version '{self.version}'",
                f"choose data.version={'|'.join(VERSIONS)}",
            )
        return VERSIONS[self.version]

    def _find(self, version: Version, reporter: Reporter) -> Found:
        found = find(version.wanted, self.root)
        if found is None:
            download = Download(url=self.url, timeout=self.timeout)
            archive = download.fetch(version.wanted, self.root, reporter)
            found = find(version.wanted, str(archive.path.parent))
            assert found is not None, "what was just downloaded is there"
            found = Found(found.files, archive.note)
        return found

    def _items(self, version: Version, found: Found, reporter: Reporter) -> SideTable:
        file = found.files[version.items]
        columns = read_texts(file, version.item_layout, reporter)
        if version.genre_flags:
            genres = [
                "|".join(g for g in version.genre_flags if columns[g][row] == "1")
                for row in range(len(columns["item"]))
            ]
        else:
            genres = columns[version.genre_column]
        title = columns["title"]
        return SideTable(
            file.label, columns[version.columns.item], {"title": title, "genres": genres}
        )

    def _describe_items(self, table: SideTable, notes: tuple[Note, ...]) -> Described:
        titles = table.columns["title"]
        genres = [
            [g for g in row.split("|") if g not in NO_GENRE] for row in table.columns["genres"]
        ]
        year = np.array([title_year(title) for title in titles], np.int64)
        genre_field, genre_note = multi("genres", genres, self.rare)
        year_field, year_note = numeric("year", np.where(year > 0, year, np.nan))
        decade_field, decade_note = categorical(
            "decade", [f"{y // 10 * 10}s" if y else "" for y in year.tolist()], self.rare
        )
        fields = (genre_field, *([year_field] if year_field else []), decade_field)
        text = tuple(
            f"{title}. {', '.join(names)}." if names else f"{title}."
            for title, names in zip(titles, genres, strict=True)
        )
        title = tuple(titles)
        facts = {"title": title, "genres": tuple(", ".join(names) for names in genres)}
        notes = (*notes, genre_note, year_note, decade_note)
        return Described(fields, notes, year, text, title, facts)

    def _users(self, version: Version, found: Found, reporter: Reporter) -> SideTable:
        assert version.users is not None
        assert version.user_layout is not None
        file = found.files[version.users]
        columns = read_texts(file, version.user_layout, reporter)
        ids = columns.pop("user")
        return SideTable(file.label, ids, columns)

    def _describe_users(self, table: SideTable, notes: tuple[Note, ...]) -> Described:
        columns = {
            "gender": list(table.columns["gender"]),
            "age": [_age_band(table.label, age) for age in table.columns["age"]],
            "occupation": [OCCUPATIONS.get(o, o) for o in table.columns["occupation"]],
        }
        if self.zip_prefix:
            columns["zip"] = [code[: self.zip_prefix] for code in table.columns["zip"]]
        pairs = [categorical(name, values, self.rare) for name, values in columns.items()]
        gender = tuple(GENDERS.get(word, word) for word in columns["gender"])
        facts = {"gender": gender, **{n: tuple(columns[n]) for n in ("age", "occupation")}}
        fields = tuple(f for f, _ in pairs)
        return Described(fields, (*notes, *(n for _, n in pairs)), facts=facts)


def _age_band(label: str, age: str) -> str:
    """Return the band of an age in years, or of one of ML-1M's codes (a band's first year)."""
    if not age:
        return ""
    if not (age.isascii() and age.isdigit()):
        raise DataError(f"{label}: age '{age[:40]}' is not a whole number", "correct the file")
    return next(band for first, band in AGE_BANDS if int(age[:4]) >= first)
