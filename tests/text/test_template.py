"""Texts made of facts: what is not known of a row leaves its sentence out, and is counted."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fewrec_cli.core.errors import ConfigError, ShapeError
from fewrec_cli.data.base import Dataset
from fewrec_cli.text.template import facts, fill, item_texts, user_texts

KNOWN = {
    "title": ("Jaws (1975)", "Who?", "", "M"),
    "director": ("S. Spielberg", "", "", "F. Lang Jr."),
    "plot": ("A shark.", "", "", "A murderer"),
}


def texts(template: str, **known: tuple[str, ...]) -> tuple[str, ...]:
    """Fill a template of four items."""
    return fill(template, known or KNOWN, 4, "item").texts


def test_a_sentence_goes_with_its_fact() -> None:
    assert texts("{title}. By {director}. Plot: {plot}.") == (
        "Jaws (1975). By S. Spielberg. Plot: A shark.",
        "Who?",
        "",
        "M. By F. Lang Jr. Plot: A murderer.",
    )


def test_a_sentence_of_two_facts_needs_both() -> None:
    assert texts("{title} by {director}! {title}") == (
        "Jaws (1975) by S. Spielberg! Jaws (1975)",
        "Who?",
        "",
        "M by F. Lang Jr.! M",
    )


def test_a_sentence_without_facts_stays() -> None:
    assert texts("A film. {title}.")[2] == "A film."


def test_lines_end_sentences_too_and_words_of_other_languages_work() -> None:
    known = {"title": ("大白鲨", "", "a", "b"), "director": ("", "", "c", "")}
    assert texts("片名：{title}。导演：{director}。", **known)[:3] == (
        "片名：大白鲨。",
        "",
        "片名：a。导演：c。",
    )
    assert texts("{title}\nvon {director}", **known)[2:] == ("a von c", "b")


def test_what_is_left_out_is_counted() -> None:
    found = fill("{title}. By {director}.", KNOWN, 4, "item")
    assert [(note.count, note.text) for note in found.notes] == [
        (1, "items without the sentence '{title}.', a fact of which is unknown"),
        (2, "items without the sentence 'By {director}.', a fact of which is unknown"),
        (1, "items with an empty text: nothing is known"),
    ]


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{title}. {producer}.", "the item template names {producer}, which the data does not"),
        ("{title. {plot}.", "a brace without its other half"),
        ("title}", "a brace without its other half"),
        (" ", "is empty"),
    ],
)
def test_a_template_that_cannot_be_filled_is_told_with_the_facts(
    template: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        fill(template, KNOWN, 4, "item")
    assert problem in caught.value.problem
    assert "{title}, {director}, {plot}" in caught.value.remedy


def bare(planted: Dataset, **changed: Any) -> Dataset:
    """Return the planted data without any word on its items, but for what is given."""
    nothing: dict[str, Any] = {
        "item_fields": (), "item_facts": {}, "item_text": None, "item_title": None,
        "item_year": None,
    }  # fmt: skip
    return replace(planted, **{**nothing, **changed})


def test_facts_of_the_reader_come_first(planted: Dataset) -> None:
    n = planted.n_items
    data = bare(planted, item_facts={"plot": ("p",) * n}, item_title=("t",) * n,
                item_year=np.arange(n), item_text=("x",) * n)  # fmt: skip
    assert list(facts(data, "item")) == ["plot", "text", "title", "year"]
    assert item_texts(data, None).texts[0] == "p."
    assert item_texts(data, "{title}: {plot}. {year}.").texts[:2] == ("t: p.", "t: p. 1.")


def test_without_facts_the_text_is_read_or_else_title_and_attributes(planted: Dataset) -> None:
    n = planted.n_items
    data = bare(planted, item_text=("x",) * n, item_title=("t",) * n)
    assert item_texts(data, None).texts[0] == "x."
    data = bare(planted, item_title=("t",) * n, item_fields=planted.item_fields)
    field = planted.item_fields[0]
    bag = [field.vocabulary[i] for i in field.index[: field.offsets[1]]]
    assert item_texts(data, None).texts[0] == f"t. {', '.join(bag)}."


def test_users_are_told_by_their_attributes(planted: Dataset) -> None:
    field = planted.user_fields[0]
    assert user_texts(planted, f"This is {{{field.name}}}.").texts[0] == (
        f"This is {field.vocabulary[field.index[0]]}."
    )


def test_items_of_which_nothing_is_told_are_refused(planted: Dataset) -> None:
    with pytest.raises(ConfigError, match="tells nothing of its items") as caught:
        item_texts(bare(planted), None)
    assert "data.items=FILE" in caught.value.remedy


def test_facts_have_one_text_per_row(planted: Dataset) -> None:
    with pytest.raises(ShapeError, match="item fact plot has 1 texts for"):
        replace(planted, item_facts={"plot": ("one",)})
