"""What every part of the comparison shares: a running npinf, requests to it, timing in turn."""

import dataclasses
import json
import os
import pathlib
import socket
import statistics
import subprocess
import time
import urllib.error
import urllib.request

TOLERATED = 0.08  # share of the processors that others may take in a round
TRIES = 3  # times the rounds asked for are done, at most, to find undisturbed ones


@dataclasses.dataclass
class Row:
    """One line of the table: what npinf and a peer did in each accepted round."""

    title: str
    unit: str
    rounds: list  # of (npinf, peer)
    peer: str
    target: float | None = None  # the ratio wanted
    more_is_better: bool = False

    @property
    def ours(self):
        return statistics.median(ours for ours, _ in self.rounds)

    @property
    def theirs(self):
        return statistics.median(theirs for _, theirs in self.rounds)

    def ratios(self):
        """How much better npinf is: by the medians, and by the best rounds of both, which
        interference from other processes touches least."""
        ours, theirs = zip(*self.rounds)
        if self.more_is_better:
            return self.ours / self.theirs, max(ours) / max(theirs)
        return self.theirs / self.ours, min(theirs) / min(ours)

    def passes(self, slack):
        return self.target is None or min(self.ratios()) >= self.target * (1 - slack)


class Server:
    """npinf serving a model folder on some threads; a context manager."""

    def __init__(self, place, model, sources):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        command = [place.binary, "run", model, "--port", str(self.port), "--host", "127.0.0.1", "--threads", str(place.meter.threads)]
        for source in sources:
            command += ["--sae", source]
        command += [] if sources else ["--no-saes"]
        self.log = place.folder / "npinf.log"
        with open(self.log, "w") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out)
        self.pid = self.process.pid

    def wait_until_ready(self, limit=120, pause=0.1):
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz")
                return self
            except OSError:
                time.sleep(pause)
        self.process.kill()
        raise SystemExit(f"npinf did not start, see {self.log}")

    def open(self, path, body):
        """Sends one request and returns the open answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            return urllib.request.urlopen(request)
        except urllib.error.HTTPError as e:
            raise SystemExit(f"{path}: {e.code} {e.read().decode(errors='replace')[:500]}")

    def post(self, path, body):
        with self.open(path, body) as answer:
            return json.load(answer)

    def __enter__(self):
        return self.wait_until_ready()

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Meter:
    """Measures in turn: elapsed time on all processors, or, on a machine that others keep
    busy, the processor time of one thread."""

    def __init__(self, rounds, processor_time):
        self.rounds, self.processor_time = rounds, processor_time
        self.threads = 1 if processor_time else os.cpu_count()
        self.disturbances = []  # share of the processors that others took in each accepted round

    def seconds(self, work, pid=None):
        """How long work() takes; pid is the process that does it, None this one."""
        now = (lambda: processor_seconds(pid or os.getpid())) if self.processor_time else time.perf_counter
        start = now()
        work()
        return now() - start

    def milliseconds(self, work, pid=None):
        return 1000 * self.seconds(work, pid)

    def in_turn(self, pids, ours, theirs, rounds=None, tries=TRIES):
        """Calls two measurements in turn and gives the least disturbed pairs of what they
        return. pids are the other processes whose work is part of the measurement."""
        pairs, rounds = [], rounds or self.rounds
        most = rounds if self.processor_time else tries * rounds
        while len(pairs) < most and sum(share < TOLERATED for share, _ in pairs) < rounds:
            others = Others([os.getpid(), *pids])
            figures = {}
            for work in (ours, theirs) if len(pairs) % 2 else (theirs, ours):
                time.sleep(0.02)  # threads of the one before stop spinning
                figures[work] = work()
            pairs.append((others.share(), (figures[ours], figures[theirs])))
        pairs.sort(key=lambda pair: pair[0])
        self.disturbances += [share for share, _ in pairs[:rounds]]
        return [figures for _, figures in pairs[:rounds]]


class Others:
    """Tells which share of the processors' time other processes took since it was made."""

    def __init__(self, pids):
        self.pids = pids
        self.start = self.read()

    def read(self):
        busy, total = processor_ticks()
        return busy, total, sum(process_ticks(pid) for pid in self.pids)

    def share(self):
        busy, total, own = (now - then for now, then in zip(self.read(), self.start))
        return max(0.0, (busy - own) / max(total, 1))


def processor_ticks():
    """Ticks all processors were busy (stolen time included), and ticks in all."""
    with open("/proc/stat") as f:
        ticks = [int(t) for t in f.readline().split()[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)


def process_ticks(pid):
    """Ticks a process has used, all its threads and the children it has waited for together."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return sum(int(ticks) for ticks in fields[11:15])


def processor_seconds(pid):
    """Processor time of the threads a process has, in nanoseconds' resolution."""
    return sum(int(file.read_text().split()[0]) for file in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def resident_megabytes(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) / 1000 for line in f if line.startswith("VmRSS"))
