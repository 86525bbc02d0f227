"""What language models cost: reading texts, adapting to users, meta-steps through the model.

Usage: python scripts/bench_language.py [--quick] [--json FILE]

Films and users are those of MovieLens 1M where FEWREC_DATA has them with their plots, else
generated; the model is the installable 6-layer encoder, else random weights of the same form.
Encoding runs on every core and in processes of its own, with an empty cache and then with what the
first one left there; all else on one thread, ways to do the same in turns, on the CPU's clock.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import torch
from bench import language_cost
from bench.language import Films, Model
from bench.language_report import show

from fewrec_cli.core.cache import FOLDER
from fewrec_cli.core.errors import FewrecError
from fewrec_cli.text.encode import cores, fastest
from fewrec_cli.text.weights import need_extra


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        films: Texts that are encoded; None: all.
        part: Texts that numbers and ways to fill batches are compared on.
        users: Users that are adapted to over the frozen encoder.
        tokens: Lengths of a user's and a film's text together, where they are read together.
        tasks: Users that LoRA is adapted to.
        rows: Rows of a pretraining step with LoRA: several batches, as only those save memory.
        meta: Tasks of an outer step.
        repeats: Counted turns.
        small: Whether everything is generated and small: for the tests.
    """

    films: int | None = None
    part: int = 96
    users: int = 256
    tokens: tuple[int, ...] = (24, 125)
    tasks: int = 2
    rows: int = 96
    meta: int = 8
    repeats: int = 3
    small: bool = False


QUICK = Plan(400, 48, 64, (24,), 1, 256, 8, 1)
TINY = Plan(400, 8, 4, (24,), 2, 4, 2, 1, small=True)


def main() -> None:
    """Measure, print, and write what was asked for."""
    words = _arguments()
    plan = TINY if words.tiny else QUICK if words.quick else Plan()
    if words.child:
        films, model = Films.read(words.child), Model.found(small=plan.small)
        print(json.dumps(_plain(language_cost.encode(films, model))))
        return
    try:
        need_extra()
    except FewrecError as fault:
        sys.exit(f"error: {fault}")
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[FOLDER] = str(Path(folder) / "cache")
        found = measure(plan, Path(folder) / "films.json", sys.argv[1:])
    if words.json:
        words.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    show(found)


def measure(plan: Plan, shared: Path, words: list[str]) -> dict[str, Any]:
    """Measure everything.

    Args:
        plan: How much.
        shared: File in which the films are handed to other processes.
        words: Of this command, for those processes.

    Returns:
        Figures by kind of work, in plain containers.
    """
    films = Films.found(plan.films, generated=plan.small)
    films.write(shared)
    model = Model.found(small=plan.small)
    found: dict[str, Any] = {"settings": _settings(films, model)}
    for name in ("first", "again"):
        _say(f"encoding, {name}")
        found[f"encode {name}"] = _in_child(shared, words)
    _say("numbers and ways to fill batches")
    found["reading"] = language_cost.reading(films, model, plan.part, plan.repeats)
    _say("adaptation over a frozen encoder")
    found["frozen"] = language_cost.frozen(films, model, plan.users, plan.repeats)
    for tokens in plan.tokens:
        _say(f"LoRA, {tokens} tokens")
        at = (model, tokens, plan.tasks, plan.repeats)
        found[f"lora {tokens}"] = language_cost.lora(films, *at)
    _say("activations computed again")
    at = (model, plan.tokens[-1], plan.rows, plan.repeats)
    found["checkpointing"] = language_cost.checkpointing(films, *at)
    for family in ("bert", "gpt2"):
        _say(f"second order, {family}")
        at_once = (family, plan.meta, plan.repeats)
        found[f"second {family}"] = language_cost.second_order(films, *at_once)
    plain: dict[str, Any] = _plain(found)
    return plain


def _in_child(shared: Path, words: list[str]) -> dict[str, Any]:
    """Encode on every core, in a process of its own."""
    outside = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, __file__, "--child", str(shared), *words],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=outside,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _settings(films: Films, model: Model) -> dict[str, str | int]:
    return {
        "texts": films.source,
        "weights": model.word,
        "layers": model.form.layers,
        "width": model.form.width,
        "numbers": str(fastest(language_cost.CPU)).removeprefix("torch."),
        "cores": cores(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _plain(found: Any) -> Any:
    """Return the same in containers that JSON knows."""
    if is_dataclass(found) and not isinstance(found, type):
        return asdict(found)
    return {name: _plain(one) for name, one in found.items()} if isinstance(found, dict) else found


def _say(what: str) -> None:
    print(what, file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less of all: within a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
