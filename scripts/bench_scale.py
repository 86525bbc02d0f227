"""Time and memory of reading, grouping, indexing and sampling at 1, 10 and 20 million rows.

Interactions are generated from a seed: long-tailed users and items, in order of time, as a log
holds them. Every size is measured in a process of its own. Memory is the peak of resident memory
during a stage, less what was resident before it; the reading's is less the columns it returns.

Grouping by user and time is compared with numpy's argsort of packed (user, time) keys in the same
process, in turns.

Then the largest size is written as parts by user and read, cut into tasks and indexed by one
process without shards (data.shard=none), and by one and by two with them (data.shard=auto), each
up to its first training step; at two shares of task users, whose rows every process holds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from bench.stage import MIB, Stage, interleaved, measured

USERS_PER_ROW = 138_000 / 20_000_000
ITEMS = 27_000
FEWEST = 20
DAY = 86_400
COLUMNS = {
    "user": "user_id",
    "item": "item_id",
    "rating": "rating",
    "timestamp": "timestamp",
    "year": None,
}
SIZES = (1_000_000, 10_000_000, 20_000_000)
QUICK_SIZES = (250_000, 500_000, 1_000_000)
GROUPING_LIMIT_MIB = 600
GROUPING_LIMIT_RATIO = 2.0
PARTS = 16
TASK_SHARES = ((0.2, 0.1), (0.05, 0.02))
"""scenario.fraction and scenario.validation: as shipped, and enough tasks for 138,000 users."""
STEPS = 200
TASKS_PER_STEP = 256


@dataclass(frozen=True)
class Measured:
    """One size.

    Attributes:
        rows: Interactions.
        users: Users.
        file_mib: Size of the Parquet file.
        columns_mib: The interactions in memory: user, item, rating, time.
        stages: By name.
        tasks_per_second: Episodes drawn and gathered into tensors, by CPU time.
        copied: Bytes of interactions that the index copies.
    """

    rows: int
    users: int
    file_mib: float
    columns_mib: float
    stages: dict[str, Stage]
    tasks_per_second: float
    copied: int


@dataclass(frozen=True)
class Reading:
    """What it takes a process to get from files to its first training step.

    Attributes:
        shard: ``none`` or ``auto``.
        processes: How many read.
        fraction: ``scenario.fraction``.
        validation: ``scenario.validation``.
        seconds: Wall time of the slowest process.
        mib: Peak of resident memory above the libraries, of each process (MiB).
        rows: Rows that each process holds.
    """

    shard: str
    processes: int
    fraction: float
    validation: float
    seconds: float
    mib: list[float]
    rows: list[int]


def generate(path: Path, rows: int, seed: int) -> None:
    """Write ``rows`` interactions, no (user, item) pair twice, as one Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    users = max(round(rows * USERS_PER_ROW), 10)
    pair = _pairs(rows, users, rng)
    user, item = pair // ITEMS, pair % ITEMS
    stars = 3.5 + rng.normal(0, 0.5, users)[user] + rng.normal(0, 0.5, ITEMS)[item]
    rating = np.clip(np.rint(2 * (stars + rng.normal(0, 0.9, rows))) / 2, 0.5, 5.0)
    joined = 1_100_000_000 + rng.integers(0, 5 * 365 * DAY, users)
    when = joined[user] + rng.exponential(90 * DAY, rows).astype(np.int64)
    ids = rng.permutation(10 * users)[:users] + 1
    order = np.argsort(when)
    table = pa.table(
        {
            "user_id": ids[user[order]],
            "item_id": item[order] + 1,
            "rating": rating[order].astype(np.float32),
            "timestamp": when[order],
        }
    )
    pq.write_table(table, path, row_group_size=MIB)


def cut(path: Path, folder: Path) -> None:
    """Write the interactions of a file as ``PARTS`` parts by user."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    table = pq.read_table(path)
    owner = table.column("user_id").to_numpy() % PARTS
    for number in range(PARTS):
        own = table.filter(pa.array(owner == number))
        pq.write_table(own, folder / f"{number:02}.parquet", row_group_size=MIB)


def _pairs(rows: int, users: int, rng: np.random.Generator) -> np.ndarray:
    """Draw different (user, item) pairs: log-normal users, items by a power law, ``(rows,)``."""
    weight = rng.lognormal(0.0, 1.15, users)
    chance = rng.permutation(1 / (np.arange(ITEMS) + 10.0) ** 0.9)
    reach = np.cumsum(chance) / chance.sum()
    pair = np.empty(0, np.int64)
    more = rows
    while len(pair) < rows:
        more = round(1.15 * more)
        spread = rng.multinomial(max(more - FEWEST * users, 0), weight / weight.sum())
        user = np.repeat(np.arange(users), np.minimum(FEWEST + spread, ITEMS // 3))
        item = np.searchsorted(reach, rng.random(len(user)))
        pair = np.sort(np.concatenate([pair, user * ITEMS + item]))
        pair = pair[np.append(True, pair[1:] != pair[:-1])]
    return np.sort(rng.permutation(pair)[:rows])


def source(path: Path, shard: str = "none") -> Any:
    """Return the reader of ``data=table`` for the generated file or folder."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    import fewrec_cli

    config = Path(fewrec_cli.__file__).parent.parent / "configs" / "data" / "table.yaml"
    cfg = OmegaConf.load(config)
    ours = {"interactions": str(path), "columns": COLUMNS, "shard": shard}
    return instantiate(OmegaConf.merge(cfg, ours))


def measure(path: Path, repeats: int) -> Measured:
    """Measure every stage on one file; call it in a process of its own."""
    from fewrec_cli.core.grouping import order_by_history
    from fewrec_cli.core.progress import Reporter
    from fewrec_cli.experiment.feed import Steps, TrainingRows
    from fewrec_cli.strategy.base import Feed

    quiet, stages = Reporter(quiet=True), dict[str, Stage]()
    small = path.with_name("small.parquet")
    generate(small, 5_000, 0)
    source(small).load(quiet)  # libraries are in memory before anything is measured
    reader = source(path)
    with measured(stages, "read"):
        dataset = reader.load(quiet)
    rows = dataset.interactions
    assert rows.timestamp is not None
    columns = [rows.user, rows.item, rows.rating, rows.timestamp]
    size = sum(column.nbytes for column in columns) / MIB
    stages["read"] = replace(stages["read"], mib=stages["read"].mib - size)

    def group() -> object:
        return order_by_history(rows.user, rows.timestamp, dataset.n_users)

    def argsort() -> object:
        return np.argsort(rows.user << 31 | rows.timestamp)

    interleaved(stages, {"group": group, "argsort": argsort}, repeats)
    with measured(stages, "split"):
        scenario().split(dataset)
    with measured(stages, "index"):
        index = TrainingRows.of(rows, dataset.n_items, 3.5, 1.0, implicit=False)
    ours = (index.train.user, index.train.item, index.train.rating)
    copied = sum(
        ours.nbytes for ours, given in zip(ours, columns, strict=False) if ours is not given
    )
    feed = Steps(index, Feed("tasks", TASKS_PER_STEP, (3, 90), 10), 0, "bench", 0, 1)
    steps = min(STEPS, len(feed))
    feed[0, 0]
    with measured(stages, "sample"):
        tasks = sum(len(feed[0, step]) for step in range(steps))
    return Measured(
        len(rows),
        dataset.n_users,
        path.stat().st_size / MIB,
        size,
        stages,
        tasks / stages["sample"].cpu_seconds,
        copied,
    )


def read(path: Path, told: dict[str, Any], rank: int) -> tuple[Stage, int]:
    """Read as one of several processes up to the first training step; return what it took."""
    import torch.distributed

    from fewrec_cli.core.progress import Reporter
    from fewrec_cli.data.own import hold_everywhere
    from fewrec_cli.data.shard import ALONE, Shard
    from fewrec_cli.data.totals import TrainTotals
    from fewrec_cli.experiment.feed import Steps, TrainingRows
    from fewrec_cli.experiment.processes import exchange
    from fewrec_cli.strategy.base import Feed

    shard, world = ALONE, told["processes"]
    if world > 1:
        meeting = f"file://{path.with_name('meeting')}"
        torch.distributed.init_process_group("gloo", meeting, rank=rank, world_size=world)
        shard = Shard(rank, world, exchange)
    quiet, stages = Reporter(quiet=True), dict[str, Stage]()
    small = path.with_name(f"small-{rank}.parquet")
    generate(small, 5_000, 0)
    source(small).load(quiet)
    reader = source(path, told["shard"])
    reader.process = shard
    tasks = scenario(told["fraction"], told["validation"])
    with measured(stages, "all"):
        dataset = reader.load(quiet)
        if reader.sharded:
            dataset = hold_everywhere(dataset, tasks.task_users(dataset))
        train = dataset.interactions.take(tasks.split(dataset).train)
        totals = TrainTotals.of(dataset, train)
        index = TrainingRows.of(train, dataset.n_items, totals.mean, totals.sd, implicit=False)
        feed = Feed("tasks", TASKS_PER_STEP, (3, 90), 10)
        Steps(index, feed, 0, "bench", rank, world, shard)[0, 0]
    return stages["all"], len(dataset.interactions)


def readings(path: Path) -> Iterator[Reading]:
    """Read parts by user without shards and with them, in one and in two processes."""
    for fraction, validation in TASK_SHARES:
        for shard, world in (("none", 1), ("auto", 1), ("auto", 2)):
            told = {
                "shard": shard,
                "processes": world,
                "fraction": fraction,
                "validation": validation,
            }
            words = [sys.executable, __file__, "--child", "read", str(path)]
            ranks = [
                subprocess.Popen(
                    [*words, "--told", json.dumps(told), "--rank", str(rank)],
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for rank in range(world)
            ]
            found = [json.loads(rank.communicate()[0]) for rank in ranks]
            path.with_name("meeting").unlink(missing_ok=True)
            yield Reading(
                **told,
                seconds=max(one["seconds"] for one in found),
                mib=[one["mib"] for one in found],
                rows=[one["rows"] for one in found],
            )


def scenario(fraction: float = 0.2, validation: float = 0.1) -> Any:
    """Return ``scenario=user_cold`` as it is shipped, with other shares of task users."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    import fewrec_cli

    configs = Path(fewrec_cli.__file__).parent.parent / "configs"
    cfg = OmegaConf.load(configs / "scenario" / "user_cold.yaml")
    ours = {"fraction": fraction, "validation": validation}
    return instantiate(OmegaConf.merge(cfg, ours), _convert_="all")


def in_child(*words: str) -> str:
    """Run this script in another process and return what it prints."""
    done = subprocess.run(
        [sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def show(sizes: list[Measured]) -> None:
    """Print one row per size, and how the largest stands to the limits."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="wall seconds / MiB above what was there before")
    table.add_column("rows", justify="right")
    names = list(sizes[0].stages)
    for head in ("users", "file", "columns", *names, "tasks/s"):
        table.add_column(head, justify="right")
    for one in sizes:
        table.add_row(
            f"{one.rows:,}",
            f"{one.users:,}",
            f"{one.file_mib:,.0f} MiB",
            f"{one.columns_mib:,.0f} MiB",
            *(f"{one.stages[name].seconds:.2f} / {one.stages[name].mib:,.0f}" for name in names),
            f"{one.tasks_per_second:,.0f}",
        )
    growth = Table(title="per million rows: CPU seconds / MiB")
    growth.add_column("rows", justify="right")
    growing = [name for name in names if name != "sample"]  # a step costs the same at any size
    for name in growing:
        growth.add_column(name, justify="right")
    for one in sizes:
        millions = one.rows / 1e6
        growth.add_row(
            f"{one.rows:,}",
            *(
                f"{stage.cpu_seconds / millions:.3f} / {stage.mib / millions:.1f}"
                for stage in map(one.stages.__getitem__, growing)
            ),
        )
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    console.print(growth)
    console.print(f"{os.cpu_count()} CPU cores, numpy {np.__version__}")
    for line in verdict(sizes[-1]):
        console.print(line, soft_wrap=True)


def show_readings(found: list[Reading]) -> None:
    """Print one row per way of reading."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="from parts by user to the first training step")
    for head in ("data.shard", "processes", "task users", "seconds"):
        table.add_column(head, justify="right")
    for head in ("rows of each process", "peak MiB of each process", "of data.shard=none"):
        table.add_column(head, justify="right")
    for one in found:
        whole = next(o for o in found if o.shard == "none" and o.fraction == one.fraction)
        table.add_row(
            one.shard,
            f"{one.processes}",
            f"{one.fraction + one.validation:.0%}",
            f"{one.seconds:.1f}",
            " and ".join(f"{rows:,}" for rows in one.rows),
            " and ".join(f"{mib:,.0f}" for mib in one.mib),
            " and ".join(f"{mib / whole.mib[0]:.2f}" for mib in one.mib),
        )
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def verdict(largest: Measured) -> list[str]:
    """Say how grouping stands to its limits at the largest size, and that nothing is copied."""
    group, argsort = largest.stages["group"], largest.stages["argsort"]
    ratio = group.seconds / argsort.seconds
    return [
        f"grouping {largest.rows:,} rows by user and time: {group.mib:,.0f} MiB above the columns "
        f"(limit {GROUPING_LIMIT_MIB}), {ratio:.2f}x numpy's argsort of packed keys by the clock "
        f"(limit {GROUPING_LIMIT_RATIO:g}x), {group.cpu_seconds / argsort.cpu_seconds:.2f}x by CPU",
        f"the index copies {largest.copied:,} bytes of interactions",
    ]


def main() -> None:
    """Generate, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows", metavar="N,N,...", help="sizes in rows (1000000,10000000,20000000)"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, within a minute")
    parser.add_argument("--repeats", type=int, default=3, help="turns of grouping and argsort (3)")
    parser.add_argument("--seed", type=int, default=0, help="of the generated interactions (0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument(
        "--folder", type=Path, help="where to put the generated files, for as long as it runs"
    )
    parser.add_argument("--told", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--rank", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--child", nargs=2, metavar=("DO", "FILE"), help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.child:
        do, path = words.child[0], Path(words.child[1])
        if do == "measure":
            print(json.dumps(asdict(measure(path, words.repeats))))
        elif do == "read":
            stage, rows = read(path, words.told, words.rank)
            print(json.dumps({**asdict(stage), "rows": rows}))
        elif do == "cut":
            cut(path, path.with_name("parts"))
        else:
            generate(path, int(do), words.seed)
        return
    sizes = QUICK_SIZES if words.quick else SIZES
    if words.rows:
        sizes = tuple(int(one) for one in words.rows.split(","))
    found = []
    with tempfile.TemporaryDirectory(dir=words.folder) as folder:
        for rows in sizes:
            path = Path(folder) / f"{rows}.parquet"
            print(f"generating {rows:,} rows", file=sys.stderr)
            in_child("--child", str(rows), str(path), "--seed", str(words.seed))
            print(f"measuring {rows:,} rows", file=sys.stderr)
            told = json.loads(
                in_child("--child", "measure", str(path), "--repeats", str(words.repeats))
            )
            told["stages"] = {name: Stage(**stage) for name, stage in told["stages"].items()}
            found.append(Measured(**told))
            if rows == sizes[-1]:
                in_child("--child", "cut", str(path))
            path.unlink()
        print("reading parts by user, in shards and not", file=sys.stderr)
        shards = list(readings(Path(folder) / "parts"))
    show(found)
    show_readings(shards)
    if words.json:
        figures = {"sizes": found, "readings": shards}
        plain = {name: [asdict(one) for one in each] for name, each in figures.items()}
        words.json.write_text(json.dumps(plain, indent=1) + "\n")


if __name__ == "__main__":
    main()
