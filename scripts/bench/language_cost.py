"""What language models cost: reading texts, adapting to users, meta-steps through the model."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bench.language import QUIET, Films, Model, prepared, tasks
from bench.stage import Stage, interleaved, measured
from bench.workload import Meta, meta_batch
from fewrec_cli.backbone.base import Backbone
from fewrec_cli.backbone.reader import Reader
from fewrec_cli.scenario.batch import RowBatch, Rows, TaskBatch
from fewrec_cli.strategy.base import Strategy
from fewrec_cli.text.encode import BUDGET, Vectors, encode_tokens, fastest, pooled, vectors
from fewrec_cli.text.language import Language
from fewrec_cli.text.template import item_texts
from fewrec_cli.text.tokens import Tokens, batches, tokenise

MOST_TOKENS = 160
"""``backbone.max_tokens`` of ``backbone=hybrid``."""
CPU = torch.device("cpu")
Work = Mapping[str, Callable[[], object]]


def timed(work: Work, repeats: int) -> dict[str, Stage]:
    """Measure several ways in turns; with repeats, after a turn that does not count."""
    stages = dict[str, Stage]()
    for call in work.values() if repeats > 1 else ():
        call()
    interleaved(stages, dict(work), repeats)
    return stages


def encode(films: Films, model: Model) -> dict[str, Stage | int]:
    """Measure the vectors of all films as ``backbone=hybrid`` asks for them, model and all."""
    texts = item_texts(films.dataset(), None).texts
    stages, language = dict[str, Stage](), model.load(texts)
    with measured(stages, "vectors"):
        vectors(
            language,
            texts,
            pooling="mean",
            max_tokens=MOST_TOKENS,
            normalise=False,
            reporter=QUIET,
            what="items",
        )
    return {**stages, "texts": len(texts), "different": len(set(texts))}


def reading(films: Films, model: Model, part: int, repeats: int) -> dict[str, Any]:
    """Measure numbers and ways to fill batches on some of the texts, ``part`` of them."""
    texts = item_texts(films.dataset(), None).texts
    language = model.load(texts)
    tokens = tokenise(language, texts[:part], MOST_TOKENS)
    by_length = batches(tokens.lengths, BUDGET["cpu"])
    size = -(-len(tokens) // len(by_length))
    as_given = list(torch.arange(len(tokens)).split(size))
    whole = Tokens(tokens.ids, torch.full_like(tokens.lengths, tokens.ids.shape[1]), *_rest(tokens))
    numbers = {"float32": torch.float32, "bfloat16": torch.bfloat16}

    def read(kind: torch.dtype) -> Vectors:
        return encode_tokens(language, tokens, "mean", "texts", CPU, kind, QUIET)

    fill: dict[str, tuple[Tokens, Sequence[Tensor]]] = {
        "by length": (tokens, by_length),
        "as given": (tokens, as_given),
        "all to the longest": (whole, as_given),
    }
    return {
        "tokens": int(tokens.lengths.sum()),
        "filled": {name: _filled(of, rows) for name, (of, rows) in fill.items()},
        "precision": timed({name: partial(read, kind) for name, kind in numbers.items()}, repeats),
        "padding": timed(
            {name: partial(_read, language, *way) for name, way in fill.items()}, repeats
        ),
    }


def _rest(tokens: Tokens) -> tuple[int, int, int]:
    return tokens.pad, tokens.max_tokens, tokens.cut


def _filled(tokens: Tokens, parts: Sequence[Tensor]) -> int:
    """Return how many tokens are computed, filling included."""
    return sum(tokens.batch(rows)[0].numel() for rows in parts)


@torch.inference_mode()
def _read(language: Language, tokens: Tokens, parts: Sequence[Tensor]) -> None:
    """Read batches; a mask stands wherever one is filled up."""
    numbers = fastest(CPU)
    with torch.autocast("cpu", numbers, enabled=numbers != torch.float32):
        for rows in parts:
            ids, lengths = tokens.batch(rows)
            mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
            hidden = language.body(input_ids=ids, attention_mask=mask).last_hidden_state
            pooled(hidden.float(), lengths, "mean")


def frozen(films: Films, model: Model, users: int, repeats: int) -> dict[str, Any]:
    """Measure adaptation and 10 answers over a frozen encoder: all users at once, one by one."""
    data = films.dataset()
    found: dict[str, Any] = {"users": users}
    for name in ("meta_ridge", "transfer"):
        own = (f"strategy={name}", "backbone=bert", "backbone.score=encoder", *model.words)
        backbone, strategy = prepared(data, own)
        backbone.eval()
        meta = meta_batch(users, 0, CPU, data.n_items)
        work = {
            "at once": partial(_answer, strategy, backbone, meta.batch),
            "one by one": partial(_one_by_one, strategy, backbone, meta),
        }
        found[name] = timed(work, repeats)
        found[f"{name} rows"] = float(meta.batch.support.weight.sum() / users)
    return found


@torch.no_grad()
def _answer(strategy: Strategy, backbone: Backbone, batch: TaskBatch) -> Tensor:
    adapted = strategy.adapt(backbone, batch.user, batch.support, seed=0, training=False)
    return adapted.predict(backbone, batch.user, batch.query.item).score


def _one_by_one(strategy: Strategy, backbone: Backbone, meta: Meta) -> list[Tensor]:
    """Do the same for one user after the other, without filling up supports."""
    return [
        _answer(
            strategy,
            backbone,
            TaskBatch(
                one.user[None],
                Rows(one.item[None], one.rating[None], torch.ones(1, len(one.item))),
                Rows(one.query_item[None], one.query_rating[None], torch.ones(1, 10)),
            ),
        )
        for one in meta.tasks
    ]


def lora(films: Films, model: Model, tokens: int, number: int, repeats: int) -> dict[str, Any]:
    """Measure adaptation to 16 ratings and 10 answers where user and item are read together.

    ``at once`` and ``one by one``: LoRA's matrices and the head, 5 steps; ``frozen``: the head
    alone in closed form, over pairs that are read once (and anew in each repeat).
    """
    data = films.dataset()
    own = ("backbone=bert", "backbone.score=cross", f"backbone.max_tokens={tokens}", *model.words)
    batch = tasks(number, 16, 10, data)
    work = dict[str, Callable[[], object]]()
    for name, engine in (("at once", "vmap"), ("one by one", "loop")):
        told = ("strategy=transfer", "strategy.adapted=all", f"strategy.engine={engine}")
        backbone, strategy = prepared(data, (*told, "backbone.tuned=lora", *own))
        backbone.eval()
        work[name] = partial(_answer, strategy, backbone, batch)
    backbone, strategy = prepared(data, ("strategy=meta_ridge", *own))
    backbone.eval()

    def anew() -> Tensor:
        assert isinstance(backbone, Reader)
        backbone.vectors.memo.clear()
        return _answer(strategy, backbone, batch)

    work["frozen"] = anew
    return {"tasks": number, **timed(work, repeats)}


def checkpointing(
    films: Films, model: Model, tokens: int, rows: int, repeats: int
) -> dict[str, Any]:
    """Measure a pretraining step with LoRA on rows: activations kept, and computed again."""
    data = films.dataset()
    some = slice(0, rows)
    own = data.interactions
    user, item, rating = (torch.from_numpy(one[some]) for one in (own.user, own.item, own.rating))
    batch = RowBatch(user, item, rating.float())
    work = dict[str, Callable[[], object]]()
    for name, word in (("kept", "false"), ("computed again", "true")):
        told = ("backbone=bert", "backbone.score=cross", "backbone.tuned=lora", *model.words)
        more = (f"backbone.max_tokens={tokens}", f"backbone.gradient_checkpointing={word}")
        backbone, strategy = prepared(data, ("strategy=transfer", *told, *more))
        work[name] = partial(_step, strategy, backbone.train(), batch)
    return {"rows": rows, **timed(work, repeats)}


def _step(strategy: Strategy, backbone: Backbone, batch: RowBatch | TaskBatch) -> float:
    backbone.zero_grad()
    loss = strategy.loss(backbone, batch)
    loss.backward()
    return loss.item()


def second_order(films: Films, family: str, number: int, repeats: int) -> dict[str, Any]:
    """Measure an outer step of MAML through LoRA, 16 + 16 rows; compare gradients in float64."""
    data = films.dataset()
    batch = tasks(number, 16, 16, data)
    steps = dict[str, Callable[[], object]]()
    gradients = []
    for name, engine in (("at once", "vmap"), ("one by one", "loop")):
        told = ("strategy=maml", "strategy.adapted=all", f"strategy.engine={engine}")
        own = ("backbone.score=cross", "backbone.tuned=lora", "backbone.id_dropout=0")
        words = (f"backbone={family}", *Model.random(2, 64).words, "backbone.max_tokens=32")
        backbone, strategy = prepared(data, (*words, *told, *own))
        torch.manual_seed(1)
        with torch.no_grad():  # LoRA starts at a change of 0, where half of its gradients are 0
            for value in backbone.parameters():
                if value.requires_grad:
                    value.add_(0.1 * torch.randn_like(value))
        exact = deepcopy(backbone).double(), deepcopy(strategy).double()
        gradients.append(_gradients(*exact, batch))
        steps[name] = partial(_step, strategy, backbone.train(), batch)
    loop, own_way = gradients[1], gradients[0]
    assert loop.keys() == own_way.keys()
    largest = max(float(one.abs().max()) for one in loop.values())
    apart = max(float((loop[name] - own_way[name]).abs().max()) for name in loop)
    return {"tasks": number, "apart": apart / largest, **timed(steps, repeats)}


def _gradients(backbone: Backbone, strategy: Strategy, batch: TaskBatch) -> dict[str, Tensor]:
    few = TaskBatch(batch.user[:2], *(_doubled(rows) for rows in (batch.support, batch.query)))
    strategy.loss(backbone.train(), few).backward()
    return {
        f"{side}.{name}": value.grad
        for side, part in (("backbone", backbone), ("strategy", strategy))
        for name, value in part.named_parameters()
        if value.grad is not None
    }


def _doubled(rows: Rows) -> Rows:
    return Rows(rows.item[:2], rows.rating[:2].double(), rows.weight[:2].double())
