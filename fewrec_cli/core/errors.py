"""Every exception a user can meet, each with what is wrong and what to do about it."""


class FewrecError(Exception):
    """A fault told to the user in two lines, without a traceback.

    Args:
        problem: One line, lower case, with the user's own words and the numbers.
        remedy: One line that says what to do.

    Attributes:
        exit_code: What the process ends with: 2 for a mistake in the command or the data.
    """

    exit_code = 2

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}\n  {self.remedy}"


class ConfigError(FewrecError):
    """A word of the command or a value of the config is not usable."""


class DataError(FewrecError):
    """A data file is missing, broken, or does not hold what the config promises."""


class ScenarioError(FewrecError):
    """The data cannot be cut into the tasks that the scenario asks for."""


class ShapeError(FewrecError):
    """Two arrays that belong together differ in length or shape."""


class RunFolderError(FewrecError):
    """A run folder is absent, unfinished, unreadable, or cannot be written."""


class CacheError(FewrecError):
    """The stage cache cannot be read or written."""


class RunError(FewrecError):
    """The command was right, yet the run failed (diverged weights, NaN scores)."""

    exit_code = 1


class Interrupted(FewrecError):
    """The user pressed Ctrl-C; ``remedy`` says what was kept."""

    exit_code = 130


class Faults(FewrecError):
    """Several mistakes, reported together so that none waits behind another.

    Args:
        faults: At least one fault, in the order in which the user wrote the words.
    """

    def __init__(self, faults: list[FewrecError]) -> None:
        first = faults[0]
        super().__init__(first.problem, first.remedy)
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)
