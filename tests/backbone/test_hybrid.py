"""Ids and texts together: the contract, what becomes of vectors, and what stands for new items."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from sklearn.decomposition import PCA

from fewrec_cli.backbone.mf import MF
from fewrec_cli.backbone.start import Start, start_of
from fewrec_cli.backbone.text_factors import TextFactors, standard_components, text_field
from fewrec_cli.core.errors import ConfigError
from fewrec_cli.core.progress import Reporter
from fewrec_cli.data.base import Dataset
from tests.backbone.small import UNSEEN_ITEM, shipped, small_dataset, train_rows
from tests.contracts import BackboneContract

QUIET = Reporter(quiet=True)
TINY = {
    "weights": "scratch",
    "components": 3,
    "factors": 3,
    "id_dropout": 0.0,
    "blocks": 3,
    "scratch": {"layers": 1, "width": 8, "heads": 2, "vocabulary": 60},
}
USERS, EVERY = torch.arange(8), torch.arange(12).expand(8, 12)
WORDS = ("a red car", "the blue sea", "green hills far away")


@pytest.fixture(scope="module")
def one_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vectors")


@pytest.fixture(autouse=True)
def shared_cache(own_cache: Path, one_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each set of texts is read once in this file: its vectors follow from its words alone."""
    monkeypatch.setenv("FEWREC_CACHE", str(one_cache))


def hybrid(**words: Any) -> TextFactors:
    found: TextFactors = instantiate({**shipped("hybrid"), **TINY, **words}, _convert_="all")
    return found


def told(dataset: Dataset) -> Dataset:
    """Let the items' facts be one of three phrases, but for an item of which nothing is known."""
    texts = [WORDS[item % 3] for item in range(dataset.n_items)]
    texts[4] = ""
    return replace(dataset, item_facts={"plot": tuple(texts)})


def ready(dataset: Dataset, **words: Any) -> TextFactors:
    torch.manual_seed(0)
    backbone = hybrid(template="{plot}", **words)
    backbone.prepare(dataset, train_rows(dataset))
    return backbone.eval()


class TestHybrid(BackboneContract):
    def backbone(self) -> TextFactors:
        return hybrid(content="table")


@pytest.mark.slow
class TestHybridOfAProcess(BackboneContract):
    def backbone(self) -> TextFactors:
        return hybrid(content="process")


def test_components_are_those_of_an_independent_analysis() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 7)) @ rng.normal(size=(7, 7)) + 3
    fitted = rng.random(40) < 0.7
    found, share = standard_components(torch.from_numpy(rows), torch.from_numpy(fitted), 4)
    other = PCA(4, whiten=True).fit(rows[fitted])
    expected = other.transform(rows) * np.sqrt(fitted.sum() / (fitted.sum() - 1))  # sd over n
    np.testing.assert_allclose(np.abs(found.numpy()), np.abs(expected), rtol=1e-8, atol=1e-8)
    assert share == pytest.approx(other.explained_variance_ratio_.sum())
    np.testing.assert_allclose(found.numpy()[fitted].mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(found.numpy()[fitted].std(0), 1)


def test_rows_in_a_plane_have_two_components_and_equal_rows_none() -> None:
    plane = torch.randn(20, 2).double() @ torch.randn(2, 9).double()
    assert standard_components(plane, torch.ones(20, dtype=torch.bool), 5)[0].shape == (20, 2)
    equal = torch.ones(20, 9)
    assert standard_components(equal, torch.ones(20, dtype=torch.bool), 5)[0].shape == (20, 0)
    one = torch.arange(20) == 3
    assert standard_components(plane, one, 5)[0].shape == (20, 0)


def test_new_items_do_not_move_what_the_components_of_known_ones_are() -> None:
    rows, known = torch.randn(30, 6), torch.arange(30) < 25
    before = standard_components(rows, known, 4)[0]
    rows[27] += 100
    after = standard_components(rows, known, 4)[0]
    assert torch.equal(before[known], after[known])
    assert not torch.equal(before[27], after[27])


def test_an_item_without_a_text_has_none_of_the_attribute() -> None:
    field = text_field(torch.randn(9, 5), ["a"] * 8 + [""], np.ones(9, bool), 3, QUIET)
    assert np.diff(field.offsets).tolist() == [3] * 8 + [0]
    assert field.index.tolist() == [0, 1, 2] * 8
    rows = field.weight.reshape(8, 3)
    np.testing.assert_allclose(np.square(rows).sum(1).mean(), 1.0)  # as long as a category's bag


@pytest.mark.parametrize("content", ["table", "process"])
def test_it_is_mf_with_one_more_attribute(content: str) -> None:
    dataset = told(small_dataset())
    found = ready(dataset, content=content)
    width = len(found.text) // (dataset.n_items - 1)
    weight = np.zeros((dataset.n_items, width))
    weight[np.arange(dataset.n_items) != 4] = found.text.reshape(-1, width)
    bag = replace(
        dataset.item_fields[0],
        name="dense",
        vocabulary=tuple(map(str, range(width))),
        offsets=np.arange(dataset.n_items + 1) * width,
        index=np.tile(np.arange(width), dataset.n_items),
        weight=weight.ravel(),
    )
    torch.manual_seed(0)
    shared = set(shipped("mf")) - {"_target_", "weights"}
    words = {**shipped("hybrid"), **TINY, "content": content}
    other = MF(weights=None, **{key: words[key] for key in shared})
    other.prepare(replace(dataset, item_fields=(*dataset.item_fields, bag)), train_rows(dataset))
    for backbone in (found, other):
        for _ in range(2):
            backbone.refresh()
    torch.testing.assert_close(other.eval()(USERS, EVERY), found(USERS, EVERY))


def test_without_ids_items_of_one_text_score_alike_and_their_table_is_not_learned() -> None:
    dataset = told(small_dataset(fields=False))
    backbone = hybrid(template="{plot}", content="table")
    bare = TextFactors(
        reading=backbone.reading,
        ids=False,
        **{
            key: getattr(backbone, key)
            for key in shipped("mf")
            if key not in ("_target_", "weights")
        },
    )
    bare.prepare(dataset, train_rows(dataset))
    with torch.no_grad():
        for value in (bare.item_side.table, bare.head.factor, bare.user_side.table):
            value.normal_()
    scores = bare.train()(USERS, EVERY)
    torch.testing.assert_close(scores[:, 0], scores[:, 3])
    torch.testing.assert_close(scores[:, 2], scores[:, UNSEEN_ITEM])
    assert not torch.allclose(scores[:, 0], scores[:, 1])
    assert not bare.item.requires_grad
    assert "item" not in bare.adapted_names("all")


def test_a_process_without_ids_is_refused() -> None:
    with pytest.raises(ConfigError, match="learns from the vectors of known items' ids"):
        TextFactors(
            reading=hybrid().reading,
            ids=False,
            **{
                key: value
                for key, value in shipped("mf").items()
                if key not in ("_target_", "weights", "content")
            },
            content="process",
        )


def test_a_new_item_is_foretold_from_the_text_that_it_shares_with_known_ones() -> None:
    dataset = told(small_dataset(fields=False))
    backbone = ready(dataset, content="process", factors=1)
    with torch.no_grad():
        backbone.item.copy_(torch.tensor([[2.0], [-2.0], [0.0]]).repeat(4, 2))
        backbone.item[UNSEEN_ITEM] = 1e3  # nobody may read it
    for _ in range(2):
        backbone.refresh()
    assert backbone.prior is not None
    mean = backbone.prior.mean
    assert mean[UNSEEN_ITEM].abs().max() < 0.5  # as the items 2, 5 and 8
    assert mean[0].min() > 1.0
    assert mean[1].max() < -1.0


def test_texts_that_say_nothing_are_no_obstacle() -> None:
    dataset = replace(
        small_dataset(), item_facts={"plot": ("all alike",) * small_dataset().n_items}
    )
    assert torch.isfinite(ready(dataset)(USERS, EVERY)).all()


def test_no_components_are_refused() -> None:
    with pytest.raises(ConfigError, match="components=0"):
        replace(hybrid().reading, components=0)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    texts = {
        "first": "backbone: {weights: minilm, template: null}",
        "second": f"backbone: {{weights: {tmp_path / 'first'}, template: null}}",
        "mf": "backbone: {weights: null}",
        "broken": "backbone: [",
    }
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(text)
    return tmp_path


def test_a_run_folder_brings_the_language_model_that_it_had(runs: Path) -> None:
    assert start_of("minilm") == Start("minilm", None)
    assert start_of(os.fspath(runs)) == Start(os.fspath(runs), None)
    for name in ("first", "second"):
        assert start_of(os.fspath(runs / name)) == Start("minilm", os.fspath(runs / name))
    (runs / "second" / "config.yaml").write_text(
        f"backbone: {{weights: {runs / 'first'}, template: null, pretrain: mlm}}"
    )
    assert start_of(os.fspath(runs / "second")).pretrain == "mlm"


@pytest.mark.parametrize(
    ("name", "said"), [("mf", "a backbone that reads no text"), ("broken", "cannot be read")]
)
def test_other_runs_are_refused(runs: Path, name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        start_of(os.fspath(runs / name))


def test_vectors_of_texts_are_the_language_model_s_and_0_without_a_text() -> None:
    dataset = told(small_dataset())
    vectors = ready(dataset).item_vectors()
    assert vectors.shape == (dataset.n_items, TINY["scratch"]["width"])  # type: ignore[index]
    assert not vectors[4].any()
    torch.testing.assert_close(vectors[0], vectors[3])  # the same words
    assert (vectors[0] - vectors[1]).abs().max() > 1e-3


def test_precision_is_what_vectors_and_pretraining_are_computed_in() -> None:
    data, found = told(small_dataset()), {}
    for word in ("float32", "bfloat16"):
        backbone = ready(data, precision=word, pretrain="none")
        found[word] = backbone.item_vectors()
        assert backbone.reads().numbers == getattr(torch, word)
    assert not torch.equal(found["float32"], found["bfloat16"])
    torch.testing.assert_close(found["float32"], found["bfloat16"], atol=0.05, rtol=0)
    with pytest.raises(ConfigError, match="choose auto, float32, bfloat16"):
        ready(data, precision="float16")
