"""The processes of a campaign: they do the runs that they are given, and keep within the time."""

import logging
import multiprocessing
import signal
import sys
import time
from math import isinf
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple

from tsniqa.errors import TsniqaError, one_line
from tsniqa.study.comparison import main_readout
from tsniqa.study.config import RunConfig
from tsniqa.study.evaluation import srcc_matrix
from tsniqa.study.runner import run

log = logging.getLogger("tsniqa")

MARGIN = 1.2  # how much longer than the slowest so far a task may take


class Work(NamedTuple):
    """What the runs of a campaign have in common."""

    data_root: Path
    results_dir: Path
    device: str
    until: float  # seconds since the epoch, or infinite


class Outcome(NamedTuple):
    """How a run has ended: with a record, with a problem, or, with neither, out of time."""

    config: RunConfig
    problem: str = ""  # on one line
    readout: str = ""  # how its source reads its heads; empty without a record
    srcc: float = float("nan")  # by that readout after the last task, mean over tasks
    seconds: float = 0.0  # of learning and scoring, whenever that was
    pace: float = 0.0  # most seconds that a task took here, by training image

    @property
    def finished(self) -> bool:
        """Whether there is a record."""
        return bool(self.readout)


class Team:
    """Processes that take one run after another: torch and a GPU take seconds to start."""

    def __init__(self, order: Work) -> None:
        self.order = order
        self.idle: list[Connection] = []
        self.busy: dict[Connection, RunConfig] = {}
        self.processes: dict[Connection, multiprocessing.Process] = {}

    def give(self, config: RunConfig, pace: float) -> None:
        """Have an idle process, or a new one, do a run of an expected pace (see Outcome)."""
        if not self.idle:
            context = multiprocessing.get_context("spawn")  # a GPU does not survive a fork
            own, other = context.Pipe()
            process = context.Process(target=work, args=(other, self.order), daemon=True)
            process.start()
            other.close()  # so that this end sees the process die
            self.processes[own] = process
            self.idle.append(own)
        connection = self.idle.pop()
        self.busy[connection] = config
        connection.send((config, pace))

    def wait(self) -> list[Outcome]:
        """Wait until some runs have ended; none if none is running, or the time is over."""
        left = self.order.until - time.time()
        timeout = None if isinf(left) else max(0.0, left)
        found = []
        for connection in wait(list(self.busy), timeout) if self.busy else []:
            config = self.busy.pop(connection)
            try:
                found.append(connection.recv())
                self.idle.append(connection)
            except (EOFError, ConnectionResetError):  # killed, as by a system out of memory
                process = self.processes.pop(connection)
                process.join()
                why = f"its process ended with code {process.exitcode}; give it more memory"
                found.append(Outcome(config, problem=why))
        return found

    def stop(self) -> None:
        """End all processes at once; files appear whole or not at all, so none is damaged."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.join()


def work(connection: Connection, order: Work) -> None:
    """Take configurations, each with its expected pace, and answer each with an outcome."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the campaign ends this one
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    log.setLevel(logging.INFO)
    while True:
        try:
            config, pace = connection.recv()
        except EOFError:  # the campaign is gone
            return
        connection.send(do(config, order, Clock(order.until, pace)))


def do(config: RunConfig, order: Work, clock: "Clock") -> Outcome:
    """Do one run, whatever happens."""
    try:
        record = run(config, order.data_root, order.results_dir, order.device, clock.begin)
    except OutOfTimeError:
        return Outcome(config, pace=clock.slowest)
    except TsniqaError as error:
        return Outcome(config, str(error))
    except Exception as error:  # such as a GPU out of memory: others may still finish
        log.exception("%s, seed %d, split %s", config.strategy, config.seed, config.split)
        return Outcome(config, f"{type(error).__name__}: {one_line(error)}")
    clock.end()
    timings = record.description.timings
    seconds = sum(value for name, value in timings.items() if name != "all heads")
    readout = main_readout(record.strategy, {record.strategy: [record]})
    srcc = float(srcc_matrix(record, readout)[-1].mean())
    return Outcome(config, "", readout, srcc, seconds, clock.slowest)


class OutOfTimeError(Exception):
    """The next task of a run is not likely to be over in time; nothing is wrong."""


class Clock:
    """Tells whether there is time for one more task.

    Attributes:
        slowest: Most seconds by training image that a task of this run took, or 0.
    """

    def __init__(self, until: float, pace: float) -> None:
        self.until, self.pace, self.slowest = until, pace, 0.0
        self._begun: tuple[float, int] | None = None

    def begin(self, images: int) -> None:
        """Note that a task of so many training images begins, so the one before it has ended.

        Raises:
            OutOfTimeError: It is not likely to end in time, or nobody waits for it any more.
        """
        self.end()
        now, parent = time.time(), multiprocessing.parent_process()
        expected = MARGIN * images * max(self.pace, self.slowest)
        if now + expected > self.until or (parent is not None and not parent.is_alive()):
            raise OutOfTimeError
        self._begun = now, images

    def end(self) -> None:
        """Note that the last task, if any, has ended."""
        if self._begun is not None:
            start, images = self._begun
            self.slowest = max(self.slowest, (time.time() - start) / images)
            self._begun = None
