"""The table of commands. Functions are named as text, so that the table loads nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal


@dataclass(frozen=True)
class Command:
    """One command of fewrec.

    Attributes:
        name: What the user types.
        group: ``experiment`` (words with ``=``, through Hydra) or ``desk`` (plain words).
        summary: One line for the help page.
        examples: Lines to copy, each with what it prints.
        function: ``module:function``, called with the words after the command, gives the exit code.
        job: Experiment commands only: ``module:function`` that does the work.
        words: Desk commands: the words that it reads, each with one line for the help page.
    """

    name: str
    group: Literal["experiment", "desk"]
    summary: str
    examples: tuple[tuple[str, str], ...]
    function: str
    job: str = ""
    words: tuple[tuple[str, str], ...] = ()


COMMANDS = (
    Command(
        "train",
        "experiment",
        "pretrain, adapt, evaluate: one run, or a sweep with -m",
        (
            ("fewrec train", "MAML on generated data in under a minute, and its table"),
            (
                "fewrec train strategy=transfer strategy/adapter=ridge data=movielens",
                "MovieLens 100K, new users, one ridge solve per user",
            ),
            (
                "fewrec train -m strategy=maml,reptile seed=0,1,2",
                "six runs, each with a table and a folder of its own",
            ),
        ),
        "fewrec_cli.cli.compose:train",
        "fewrec_cli.experiment.pipeline:train",
    ),
    Command(
        "evaluate",
        "experiment",
        "score a finished run again, without training",
        (
            ("fewrec evaluate run=outputs/train/...", "the same table again, from the checkpoint"),
            (
                "fewrec evaluate run=outputs/train/... scenario.shots=1",
                "the same cold users with one rating known of each",
            ),
            (
                "fewrec evaluate run=outputs/train/... evaluation.k=[5,20]",
                "the same predictions, cut off at 5 and 20 items",
            ),
        ),
        "fewrec_cli.cli.compose:evaluate",
        "fewrec_cli.experiment.reevaluate:evaluate",
    ),
    Command(
        "report",
        "desk",
        "one table from finished runs, with intervals and paired tests",
        (
            (
                "fewrec report outputs/sweep/...",
                "the table of a sweep: seeds averaged, floors once",
            ),
            (
                "fewrec report RUN RUN --against maml --metrics mae,ndcg@5",
                "each row against that of maml, paired over users",
            ),
            (
                "fewrec report outputs/sweep/... --format md,latex,csv,json,html --out report",
                "the same in files, with pictures",
            ),
        ),
        "fewrec_cli.cli.report:report",
        words=(
            ("FOLDER", "a finished run, or a folder that holds some at any depth; several"),
            ("--format", "md, latex, csv, json, html; several with commas (all, into files)"),
            ("--out", "folder for the files and pictures; without it the table is printed"),
            ("--metrics", "columns: NAME,NAME (the few that a run shows)"),
            ("--shots", "support sizes: 1,5,all (each run's own)"),
            ("--against", "what rows are compared with: floor, or a row's name (floor)"),
            ("--over", "words averaged over besides the seed: scenario.seed"),
            ("--spread", "what stands beside a mean: sd over draws, or interval (sd)"),
            ("--deciles", "metrics by decile of items and users: mae,ndcg@5 (none)"),
            ("--title", "one line above the table (the data sets' names)"),
        ),
    ),
    Command(
        "table",
        "desk",
        "rebuild a published table: our rows, the papers', the floors",
        (
            ("fewrec table", "the tables, how long each takes, and whether it is there"),
            ("fewrec table melu", "runs what is missing, then writes the table in all formats"),
            ("fewrec table melu --states user_cold --rows meta_ridge", "a part of it"),
            ("fewrec table melu --smoke", "the whole path in seconds, on generated data"),
        ),
        "fewrec_cli.cli.table.command:table",
        words=(
            ("--jobs", "how many runs at a time (2, or as many cores as there are)"),
            ("--states", "only these states: NAME,NAME"),
            ("--rows", "only these rows: NAME,NAME"),
            ("--plan", "print every run's command, and stop"),
            ("--report", "only write the table again, from finished runs"),
            ("--smoke", "few tiny runs on generated data"),
            ("--all", "every table"),
            ("KEY=", "a word of fewrec train, put over those of every run"),
        ),
    ),
    Command(
        "ask",
        "desk",
        "which items to ask a new user about",
        (
            ("fewrec ask run=outputs/train/...", "ten items whose ratings tell the run most"),
            (
                "fewrec ask run=outputs/train/... rated=50:5,181:4 k=5",
                "what to ask next, once the ratings of items 50 and 181 are known",
            ),
            (
                "fewrec ask run=outputs/train/... about=gender=F --json",
                "for a user like the women of the data, to be read by a program",
            ),
        ),
        "fewrec_cli.cli.ask:ask",
        words=(
            ("run=", "folder of a finished run on data with ratings"),
            ("k=", "how many items, from 1 (10)"),
            ("rated=", "ratings already known: ITEM:STARS,ITEM:STARS"),
            ("about=", "what is known of the user: FIELD=VALUE,FIELD=VALUE"),
            (
                "known=",
                "power of the share of users who rated an item: the chance to know it (1)",
            ),
            ("--json", "print JSON instead of a table"),
        ),
    ),
    Command(
        "data",
        "desk",
        "read a data set and say what is in it",
        (
            ("fewrec data check data=movielens", "counts, interactions per user, what was dropped"),
            (
                "fewrec data check data=table data.interactions=ratings.csv",
                "your own table, and how its columns were recognised",
            ),
        ),
        "fewrec_cli.cli.desk:data",
    ),
    Command(
        "cache",
        "desk",
        "what is kept of trainings and encodings, to be used again",
        (
            ("fewrec cache list", "every entry: what it was made of, its size and age"),
            ("fewrec cache clear --stale", "removes what no run of this version can use"),
            ("fewrec cache clear pretrained", "removes all entries of a kind, and says their size"),
            ("fewrec train cache=false", "a run that trains anew and keeps nothing"),
        ),
        "fewrec_cli.cli.cache:cache",
        words=(
            ("list", "the entries of the cache; of some kinds: list KIND KIND"),
            ("clear", "remove them; of some kinds: clear KIND KIND"),
            ("--stale", "only entries of another version of the code, and damaged ones"),
        ),
    ),
    Command(
        "list",
        "desk",
        "what can be chosen, with one line each",
        (
            ("fewrec list", "all groups and their options"),
            ("fewrec list strategy", "the strategies, one line each"),
        ),
        "fewrec_cli.cli.desk:list_options",
    ),
    Command(
        "show",
        "desk",
        "one option's yaml, with its comments",
        (("fewrec show strategy=maml", "every key of MAML with its unit and range"),),
        "fewrec_cli.cli.desk:show",
    ),
    Command(
        "doctor",
        "desk",
        "versions, devices, data folders",
        (("fewrec doctor", "what to paste into a bug report"),),
        "fewrec_cli.cli.desk:doctor",
    ),
    Command(
        "completion",
        "desk",
        "completion of words in bash, zsh or fish",
        (('eval "$(fewrec completion bash)"', "Tab completes commands, options and keys"),),
        "fewrec_cli.cli.complete:install",
    ),
)
BY_NAME = {command.name: command for command in COMMANDS}


def load(function: str) -> Callable[..., object]:
    """Import what ``module:function`` names."""
    module, _, name = function.partition(":")
    found: Callable[..., object] = getattr(import_module(module), name)
    return found
