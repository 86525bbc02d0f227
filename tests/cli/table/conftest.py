"""A table in a folder of the user's own, which any test may break."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

Write = Callable[..., Path]

SMALL: dict[str, Any] = {
    "defaults": [{"override /data": "synthetic"}, {"override /strategy": "maml"}],
    "data": {"users": 60, "items": 40, "ratings_per_user": [24, 36]},
    "scenario": {"shots": 2, "query": 3, "curve": [0, 2], "draws": 2},
    "strategy": {"epochs": 7},
    "trainer": {"max_steps": 2},
    "table": {
        "title": "A small table",
        "metrics": ["mae", "ndcg@5"],
        "chosen": ["Nothing was chosen."],
        "states": {
            "new users": {"words": ["scenario.fraction=0.3"]},
            "few users": {"words": ["scenario.fraction=0.2"], "repeat": {"seed": [3]}},
        },
        "tracks": {
            "A": {"text": "as it is", "words": ["scenario.validation=0.2"]},
            "B": {
                "text": "with more to validate on",
                "words": ["scenario.validation=0.3"],
                "states": ["new users"],
            },
        },
        "rows": {
            "maml": {"minutes": {"*/B": 2, "*": 1}},
            "ridge": {
                "words": ["strategy=transfer", "strategy/adapter=ridge", "strategy.epochs=1"],
                "more": {"*/B": ["strategy.epochs=2"], "new*": ["strategy.rows_per_step=64"]},
                "cells": ["new users"],
                "minutes": 4,
                "repeat": {"seed": [0, 1]},
            },
        },
        "published": {
            "paper": {
                "source": "Somebody, somewhere, table 2",
                "track": "A",
                "figures": {"new users": {"mae": 0.7}, "few users": {"mae": 0.8}},
            }
        },
        "checks": [
            {"row": "maml", "published": "paper", "track": "A", "metric": "mae", "tolerance": 9}
        ],
    },
}


ONE_RUN: dict[str, Any] = {
    "table.states": {"new users": {"words": []}},
    "table.tracks": {},
    "table.rows": {"maml": {"minutes": 1}},
    "table.published": {},
    "table.checks": [],
}
"""What makes the table a single run, so that planning it is quick."""


def write_table(folder: Path, **changed: Any) -> Path:
    """Write ``table-small.yaml`` into a config folder, some of its dotted keys changed."""
    content = OmegaConf.create(SMALL)
    for key, value in changed.items():
        OmegaConf.update(content, key, value, merge=False, force_add=True)
    path = folder / "experiment" / "table-small.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = OmegaConf.to_yaml(content)
    path.write_text(f"# @package _global_\n# A small table\n{text}", encoding="utf-8")
    return path


@pytest.fixture
def table_file(tmp_path: Path) -> Write:
    """Write ``table-small.yaml`` below ``tmp_path/my``, some of its dotted keys changed."""
    return partial(write_table, tmp_path / "my")
