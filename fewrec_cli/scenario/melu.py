"""MeLU's shipped split of MovieLens 1M: films from 1998 on and a fifth of the users are new."""

from typing import Unpack

from fewrec_cli.data.base import Dataset, Note
from fewrec_cli.scenario.base import Episodes, Scenario, Split, TaskPool
from fewrec_cli.scenario.episode import draw_episodes
from fewrec_cli.scenario.given import Listing, find_states
from fewrec_cli.scenario.holdout import State, Train, cut_like, task_rows
from fewrec_cli.scenario.pool import make_split
from fewrec_cli.scenario.rules import TaskRules, TaskWords, adopt, raise_faults

STATES = {
    "warm": "warm_state",
    "user_cold": "user_cold_state",
    "item_cold": "item_cold_state",
    "both_cold": "user_and_item_cold_state",
}
LISTING = Listing(
    title="MeLU's split",
    files=tuple(f"{name}.json" for name in STATES.values()),
    table="metahin_scenarios.parquet",
    column="melu_scenario",
    folders=("ml-1m-extra", "ml-1m"),
    folded={860: 811, 1795: 1741},
)


class MeLU(Scenario):
    """The authors' four states; only the draw of support and query, never published, is ours.

    A task is one user in one state, with ``min_interactions`` to ``max_interactions`` ratings
    there. Pretraining sees the warm state. Ratings come from the data set; the split's files say
    only which rating is in which state.

    Args:
        state: Which state's tasks make the table. The tasks of ``warm`` are taken out of
            pretraining, which the paper's column of that name, a training error, does not do.
        train: ``all`` warm ratings, or those of the users who are ``tasks`` in the warm state, as
            in the paper.
        files: Folder to look in first for the authors' JSON files or the table of both splits,
            then ``FEWREC_DATA`` and ``data/``.
        history: Whether adaptation also sees the user's warm ratings (``item_cold``).
        pool: Whether new items also learn from the supports of all tasks of a draw.
        seed: Decides who validates and every draw.
        validation: Share of the warm users (films: the newest; ``warm``: ratings of the others)
            held out for validation tasks that resemble those of ``state``, or None.
        **task: The other words of every scenario; see ``TaskWords``.

    Raises:
        FewrecError: A value is out of range; several are reported together.

    Source:
        Lee et al., "MeLU: Meta-Learned User Preference Estimator for Cold-Start Recommendation",
        KDD 2019, section 4.1; split: github.com/hoyeoplee/MeLU.
    """

    def __init__(
        self,
        *,
        state: State,
        train: Train,
        files: str | None,
        history: bool,
        pool: bool,
        **task: Unpack[TaskWords],
    ) -> None:
        self.state = state
        self.train = train
        self.files = files
        self.history = history
        self.pool = pool
        self.rules = TaskRules(**task)
        raise_faults(self.rules.faults())
        adopt(self, self.rules)

    def split(self, dataset: Dataset) -> Split:
        """Look up every rating's state, and hold validation tasks out of the warm one."""
        states = find_states(dataset, LISTING, self.files)
        warm, test = states.rows(STATES["warm"]), states.rows(STATES[self.state])
        tasks = task_rows(dataset, warm, self.rules)
        if self.state == "warm":
            test, warm = tasks, warm & ~tasks
        elif self.train == "tasks":
            warm = tasks
        seen = Note("pretraining", int(warm.sum()), f"warm ratings (scenario.train={self.train})")
        cut = cut_like(dataset, warm, test, self.state, self.rules, (*states.notes, seen))
        return make_split(dataset, cut, self.rules, history=self.history)

    def draw(self, pool: TaskPool, number: int) -> Episodes:
        """Draw support and query of every task; see ``draw_episodes``."""
        return draw_episodes(pool, number, query=self.query, seed=self.seed)
