"""How long the door takes: whole-process wall time of commands that must not import torch.

Usage: python scripts/bench_door.py [--repeats 5]
"""

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = (
    ("--help",),
    ("train", "--help"),
    ("trian",),
    ("train", "strategy=mamll"),
    ("train", "strategy.iner_lr=1"),
    ("train", "seed=a"),
    ("train", "--cfg", "job"),
    ("list", "strategy"),
)


def seconds(words: tuple[str, ...]) -> float:
    """Return the wall time of one command."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "fewrec_cli", *words], capture_output=True, check=False)
    return time.perf_counter() - started


def main() -> None:
    """Print the median of each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="counted runs, after one warm-up")
    repeats = parser.parse_args().repeats
    print(f"{'command':<36}median of {repeats}   max")
    for words in COMMANDS:
        seconds(words)
        times = [seconds(words) for _ in range(repeats)]
        command = f"fewrec {' '.join(words)}"
        print(f"{command:<36}{statistics.median(times):>8.3f} s {max(times):>8.3f} s")


if __name__ == "__main__":
    main()
