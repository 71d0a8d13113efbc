"""Campaigns: every run once, the important first; stopped by time or mishap, they go on later."""

import multiprocessing
import os
import signal
import sys
import time

import pytest

from tsniqa import cli
from tsniqa.errors import ConfigError
from tsniqa.strategies import STRATEGIES
from tsniqa.study import campaign as study
from tsniqa.study import worker
from tsniqa.study.campaign import IMPORTANCE, campaign, plan
from tsniqa.study.comparison import main_readout
from tsniqa.study.evaluation import srcc_matrix
from tsniqa.study.results import find_records
from tsniqa.study.worker import Clock, Outcome, OutOfTimeError, Work, do

ORDER = ("alpha", "beta")
RUNS = (("head-only", ORDER), ("tsn", ORDER), ("ridge", ORDER))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    """Processes of a campaign know the cache by the environment, whose changes are undone."""
    monkeypatch.setenv("TSNIQA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def configs(world):
    return [world.config(*run) for run in RUNS]


def test_the_default_plan_is_every_strategy_by_importance_on_three_draws_or_splits():
    mini, opened = plan("mini"), plan("open")
    for runs in (mini, opened):
        assert len(runs) == 3 * len(STRATEGIES)
        names = list(dict.fromkeys(run.strategy for run in runs))
        assert names[: len(IMPORTANCE)] == list(IMPORTANCE)
        assert set(names) == set(STRATEGIES)
    assert [(run.seed, run.split) for run in mini[:3]] == [(seed, "given") for seed in range(3)]
    assert [(run.seed, run.split) for run in opened[:3]] == [(0, split) for split in "012"]


def test_a_plan_is_what_was_asked_for_strategy_by_strategy():
    runs = plan("mini", ["ridge", "tsn"], ["4"], ["1", "0"])
    found = [(run.strategy, run.seed, run.split) for run in runs]
    assert found == [("ridge", 4, "1"), ("ridge", 4, "0"), ("tsn", 4, "1"), ("tsn", 4, "0")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("minni",), "unknown preset 'minni'; did you mean 'mini'"),
        (("mini", ["tsm"]), "unknown strategy 'tsm'; did you mean 'tsn'"),
        (("mini", ["tsn"], ["one"]), "seed: Input should be a valid integer"),
    ],
)
def test_a_mistake_in_a_plan_is_one_line(arguments, message):
    with pytest.raises(ConfigError, match=message):
        plan(*arguments)


def test_two_processes_do_what_one_does_and_finished_runs_are_only_read(
    world, configs, tmp_path, finished
):
    results = tmp_path / "records"
    outcomes = list(campaign(configs, world.data_root, results, "cpu", jobs=2))
    assert sorted(map(configs.index, (one.config for one in outcomes))) == list(range(3))
    for outcome in outcomes:
        config = outcome.config
        alone = finished(config.strategy, ORDER)
        assert outcome.srcc == srcc_matrix(alone, outcome.readout)[-1].mean()
        assert outcome.readout == main_readout(config.strategy, {config.strategy: [alone]})
        assert outcome.seconds > 0
    records = find_records(results)
    assert len(records) == 3
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*.json")}
    again = list(campaign(configs[:2], world.data_root, results, "cpu", jobs=1))
    assert [one.srcc for one in again] == [
        one.srcc for config in configs[:2] for one in outcomes if one.config == config
    ]
    assert before == {path: path.stat().st_mtime_ns for path in results.rglob("*.json")}


def test_a_run_that_fails_stops_no_other(world, tmp_path):
    bad = world.config("tsn", ORDER, backbone=str(tmp_path / "tiny.yml"))
    text = world.card.read_text().replace("tiny.safetensors", "gone.safetensors")
    (tmp_path / "tiny.yml").write_text(text)
    good = [world.config("ridge", ORDER, split=split) for split in ("0", "1")]
    runs = [good[0], bad, good[1]]
    found = list(campaign(runs, world.data_root, tmp_path / "records", "cpu", 1))
    assert [one.finished for one in found] == [True, False, True]
    assert "no weight file at" in found[1].problem
    assert "\n" not in found[1].problem


def test_a_killed_process_is_reported_and_replaced(world, tmp_path, monkeypatch):
    killed = []
    give = worker.Team.give

    def give_and_kill(team, config, pace):
        give(team, config, pace)
        if not killed:
            killed.append(config)
            (process,) = team.processes.values()
            os.kill(process.pid, signal.SIGKILL)

    monkeypatch.setattr(worker.Team, "give", give_and_kill)
    runs = [world.config("ridge", ORDER, split=split) for split in ("0", "1")]
    first, second = campaign(runs, world.data_root, tmp_path / "records", "cpu", 1)
    assert (first.config, first.finished) == (runs[0], False)
    assert first.problem == "its process ended with code -9; give it more memory"
    assert second.finished


@pytest.mark.parametrize("minutes", [0, 0.02])  # not enough to start, or to finish
def test_the_limit_of_time_stops_what_is_running(world, configs, tmp_path, minutes):
    assert list(campaign(configs, world.data_root, tmp_path / "records", "cpu", 1, minutes)) == []
    assert multiprocessing.active_children() == []
    assert find_records(tmp_path / "records") == []


class TestClock:
    def test_a_task_that_is_not_likely_to_be_over_is_not_begun(self, monkeypatch):
        now = [1000.0]
        monkeypatch.setattr(worker.time, "time", lambda: now[0])
        clock = Clock(until=1100, pace=0.0)
        clock.begin(10)  # nothing is known, so it is tried
        now[0] += 20  # 2 s an image, so 24 s for 10 images with the margin
        clock.begin(30)
        assert clock.slowest == 2.0
        now[0] += 30  # faster: the slowest counts
        with pytest.raises(OutOfTimeError):
            clock.begin(21)  # 50.4 s, and 50 s are left
        clock.begin(20)
        now[0] += 50
        clock.end()
        assert clock.slowest == 2.5

    def test_what_others_took_counts_from_the_first_task_on(self):
        with pytest.raises(OutOfTimeError):
            Clock(time.time() + 60, pace=1.0).begin(60)
        Clock(time.time() + 60, pace=1.0).begin(40)


class Counting(Clock):
    """A clock that only notes what begins, and has no time after some tasks."""

    def __init__(self, tasks=99):
        super().__init__(float("inf"), 0.0)
        self.tasks, self.begun = tasks, []

    def begin(self, images):
        if len(self.begun) == self.tasks:
            raise OutOfTimeError
        self.begun.append(images)


def test_a_run_out_of_time_keeps_its_finished_tasks_and_goes_on(world, tmp_path, finished):
    order = Work(world.data_root, tmp_path / "records", "cpu", float("inf"))
    config = world.config("tsn", ("gamma", "alpha", "beta"))
    outcome = do(config, order, Counting(2))
    assert not (outcome.finished or outcome.problem)
    assert find_records(order.results_dir) == []
    clock = Counting()
    outcome = do(config, order, clock)
    assert clock.begun == [16], "the third task alone was missing"
    whole = finished("tsn", ("gamma", "alpha", "beta"))
    assert outcome.srcc == srcc_matrix(whole, outcome.readout)[-1].mean()


def test_what_is_learned_at_once_is_one_task_of_all_images(world, tmp_path):
    clock = Counting()
    do(world.config("joint", ORDER), Work(world.data_root, tmp_path, "cpu", float("inf")), clock)
    assert clock.begun == [32]


def test_an_unforeseen_failure_is_one_line(world, tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("CUDA out of memory.\nTried to allocate 1 GiB")

    monkeypatch.setattr(worker, "run", broken)
    order = Work(world.data_root, tmp_path, "cpu", float("inf"))
    outcome = do(world.config(), order, Clock(float("inf"), 0.0))
    assert outcome.problem == "RuntimeError: CUDA out of memory. Tried to allocate 1 GiB"


def test_the_command_prints_a_line_a_run_and_ends_with_what_is_missing(monkeypatch, capsys, world):
    runs = [world.config(name, ORDER, split="1") for name in ("tsn", "ridge", "ewc")]
    outcomes = [
        Outcome(runs[0], readout="gated", srcc=0.71249, seconds=12.3),
        Outcome(runs[2], problem="RuntimeError: out of memory"),
    ]
    monkeypatch.setattr(study, "plan", lambda *_: runs)
    monkeypatch.setattr(study, "campaign", lambda *_: iter(outcomes))
    monkeypatch.setattr(sys, "argv", ["tsniqa", "campaign", "smoke", "--minutes", "10"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    out, error = capsys.readouterr()
    assert caught.value.code == 2
    assert out.splitlines() == [
        "tsn, seed 0, split 1: mean SRCC 0.712 (gated), 12 s",
        "ewc, seed 0, split 1: failed",
        "1 of 3 runs are finished; missing: ridge, seed 0, split 1; ewc, seed 0, split 1",
    ]
    assert error == (
        "tsniqa: 1 run(s) failed: ewc, seed 0, split 1 (RuntimeError: out of memory); "
        "mend that and start it again\n"
    )
