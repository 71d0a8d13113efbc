"""Campaigns: all runs of a preset, on one GPU or on the CPU's cores, for as long as there is.

Every run is one of :mod:`.runner`: a finished one is only read, and an interrupted one goes on
after its last finished task. So a campaign that was stopped, or killed, goes on where it was.
"""

import os
import time
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from tsniqa.data.cache import DecodedCache, decode_tasks
from tsniqa.paths import cache_folder
from tsniqa.runtime import available_cores
from tsniqa.strategies import STRATEGIES, find_strategy
from tsniqa.study.config import RunConfig, load_preset, resolve_run, run_config
from tsniqa.study.worker import Outcome, Team, Work
from tsniqa.synthetic.benchmark import MINI_TASKS

IMPORTANCE = (
    "tsn", "head-only", "affine-only", "ridge", "separate", "joint", "sequential", "tsn-adapters",
    "lwf", "replay-multihead", "ewc",
)  # fmt: skip
"""What comes first where time is short: the method, its controls and bounds, its best rivals."""


def plan(
    preset: str,
    strategies: Sequence[str] = (),
    seeds: Sequence[int | str] = (),
    splits: Sequence[str] = (),
) -> list[RunConfig]:
    """List the runs of a campaign: strategy by strategy, the most important first.

    Args:
        preset: Name of a preset.
        strategies: In this order; by default those of :data:`IMPORTANCE`, then all others.
        seeds: By default 0, 1, 2 where tasks are drawn from the seed, else 0.
        splits: By default ``given`` where tasks are drawn, else 0, 1, 2.

    Raises:
        ConfigError: A name is unknown, or a value is none of a run.
    """
    drawn = set(load_preset(preset).tasks) <= set(MINI_TASKS)
    every = product(
        strategies or dict.fromkeys([*IMPORTANCE, *STRATEGIES]),
        seeds or (range(3) if drawn else [0]),
        splits or (["given"] if drawn else "012"),
    )
    return [
        run_config(preset=preset, strategy=find_strategy(name).name, seed=seed, split=split)
        for name, seed, split in every
    ]


def campaign(
    configs: Sequence[RunConfig],
    data_root: Path,
    results_dir: Path,
    device: str = "auto",
    jobs: int | None = None,
    minutes: float = np.inf,
) -> Iterator[Outcome]:
    """Run configurations in processes of their own, and yield every one that ends.

    With a limit of time, a task is only begun where it is likely to be over by then, judged by the
    slowest task so far of the same strategy, else of any. What runs at the limit all the same is
    stopped, and loses the task it is at. Runs that are out of time are not yielded.

    Args:
        configs: At least one, of one preset.
        data_root: Folder of datasets.
        results_dir: Folder of record folders.
        device: ``"auto"``, or a torch device name.
        jobs: Processes, each with the preset's threads; by default one on a GPU, else as many as
            there are cores for.
        minutes: Of wall-clock time, preparations included.

    Raises:
        TsniqaError: See :func:`tsniqa.study.config.resolve_run`; or an image cannot be decoded.
    """
    until = time.time() + 60 * minutes
    # Once for all processes: names are checked, mini tasks drawn, images decoded.
    some = {(config.seed, config.split): config for config in configs}.values()
    resolved = [resolve_run(config, data_root, device) for config in some]
    for one in resolved:
        decode_tasks(one.tasks, DecodedCache(cache_folder("decoded"), one.preset.image_side))
    threads = resolved[0].preset.threads
    if jobs is None:
        jobs = max(1, available_cores() // threads) if resolved[0].device == "cpu" else 1
    os.environ["OMP_NUM_THREADS"] = str(threads)  # the processes inherit it
    team = Team(Work(data_root, results_dir, resolved[0].device, until))
    paces: dict[str, float] = {}
    waiting = list(configs)[::-1]
    try:
        while True:
            while waiting and len(team.busy) < jobs and time.time() < until:
                config = waiting.pop()
                team.give(config, paces.get(config.strategy, max(paces.values(), default=0.0)))
            outcomes = team.wait()
            if not outcomes:
                return  # nothing is left to do, or no time for it
            for outcome in outcomes:
                name = outcome.config.strategy
                if outcome.pace:  # else nothing was learned: it says nothing
                    paces[name] = max(paces.get(name, 0.0), outcome.pace)
                if outcome.finished or outcome.problem:
                    yield outcome
    finally:
        team.stop()
