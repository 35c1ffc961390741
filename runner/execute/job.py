"""The job: the child process that runs one frozen plan. `python -m runner.execute.job`.

The first line of its stdin names the run's folder. It may come late: the job is started while the config is still read,
and has its imports and first worker processes ready by then. It owns the run's folder while it lives. Its parent's
lifeline is stdin: when that ends, or says `stop`, or a signal comes, the workers are ended, the journal says `killed`,
and the process ends. Progress goes to stdout as JSON lines.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

from runner.execute.adapt import Thresholds, measured_shares, next_count
from runner.execute.failures import fault_of
from runner.execute.nursery import Nursery
from runner.execute.recorder import Recorder
from runner.execute.schedule import Scheduler, Stopped
from runner.execute.snapshot import snapshot
from runner.plan.index import Index
from runner.plan.plan import Plan, load_plan, read_items
from runner.record.journal import Journal, Lines
from runner.record.monitor import Monitor
from runner.record.rundir import EXIT_CODES, RunDir, read_json
from stages.platform.limits import usable_cpus
from stages.platform.processes import die_with_parent

KILLED = "killed"
_TICK_S = 0.25
_SAMPLE_S = 1.0
_READY = 2  # worker processes started ahead: one for the first stage, one for the next


class Job:
    """One run from its plan to its journal's last line."""

    def __init__(self, run: RunDir, nursery: Nursery | None = None) -> None:
        self.run_dir = run
        self.plan: Plan = load_plan(run.plan_json)
        self.epoch = float(read_json(run.run_json)["epoch"])
        self.journal = Journal(run.journal, self.epoch)
        self.samples = Lines(run.samples)
        self.dead = Lines(run.failures)
        self.index = Index(Path(self.plan.policy.cache_root))
        self.monitor = Monitor(os.getpid(), disks=[run.root])
        self.ticks = 0
        self.cpu_load = 0.0
        self.ram_load = 0.0
        recorder = Recorder(self.journal, self.dead, run.root)
        self.scheduler = Scheduler(self.plan, read_items(run.items_jsonl), self.index, recorder, run.log, nursery)

    async def run(self) -> str:
        """Run it; the status."""
        self._begin()
        threading.Thread(target=self._watch_lifeline, args=(asyncio.get_running_loop(),), daemon=True).start()
        ticking = asyncio.create_task(self._tick())
        status, reason = "", ""
        try:
            await self.scheduler.run()
        except Stopped as stopped:
            reason = str(stopped)
        finally:
            ticking.cancel()
        status = self._status(reason)
        self._end(status, "" if reason == KILLED else reason)
        return status

    def _begin(self) -> None:
        stages = sorted(self.scheduler.graph.nodes.values(), key=lambda n: n.depth)
        self.journal.event(
            "start", epoch=self.epoch, pid=os.getpid(), pipeline=self.plan.pipeline, stages=[n.name for n in stages],
            items=self.plan.items, after=list(self.plan.policy.after),
            slots={name: lane.target for name, lane in self.scheduler.lanes.items()},
        )  # fmt: skip
        for text in self.plan.notes:
            self.journal.event("note", text=text)

    def _status(self, reason: str) -> str:
        counts = self.scheduler.counts
        if reason == KILLED:
            return KILLED
        if not counts["ok"]:
            return "failed"
        return "partial" if reason or counts["failed"] else "ok"

    def _end(self, status: str, reason: str) -> None:
        """The last words. The ballast goes first: the disk may be full."""
        self.run_dir.ballast.unlink(missing_ok=True)
        shutil.rmtree(self.plan.policy.scratch, ignore_errors=True)
        self._sample()
        self._say(final=True)
        self.journal.event("end", status=status, wall_s=self.journal.now(), reason=reason)
        self.index.close()

    def _watch_lifeline(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop when the parent says so or is gone (end of stdin)."""
        for line in sys.stdin:
            if line.strip() == "stop":
                break
        loop.call_soon_threadsafe(self.scheduler.stop, KILLED)

    async def _tick(self) -> None:
        """Progress four times a second, a sample each second, adapting as configured."""
        adapt = self.plan.policy.adapt
        per_sample = round(_SAMPLE_S / _TICK_S)
        per_adapt = max(1, round(float(adapt.get("every_s", 1.0)) / _SAMPLE_S)) * per_sample
        while True:
            await asyncio.sleep(_TICK_S)
            self.ticks += 1
            try:
                if self.ticks % per_sample == 0:
                    self._sample()
                if self.ticks % per_adapt == 0 and adapt.get("enabled"):  # always on a fresh sample
                    self._adapt()
                self._say()
            except OSError as error:
                self.scheduler.stop(fault_of(error, "the run").sentence)
                return

    def _sample(self) -> None:
        now = self.journal.now()
        measured = self.monitor.sample(snapshot(self.scheduler, now))
        self.samples.write({"t": now, "epoch_ms": int((self.epoch + now) * 1000), "m": measured})
        self.cpu_load = measured.get("resource.cpu_util", 0.0)
        self.ram_load = measured.get("resource.ram_util", 0.0)

    def _adapt(self) -> None:
        lanes = self.scheduler.lanes
        given = {name: lane.node.share for name, lane in lanes.items() if lane.node.share}
        cpu_s = {name: lane.cpu_s for name, lane in lanes.items()}
        done = {name: lane.timed for name, lane in lanes.items()}
        for name, share in measured_shares(given, cpu_s, done).items():
            lanes[name].share = share
        rule = Thresholds(**{k: v for k, v in self.plan.policy.adapt.items() if k not in ("enabled", "every_s")})
        # One step at a time, where it helps most: the stage with the longest queue of those that may change.
        movable = [lane for lane in lanes.values() if lane.planned.slots.auto and (lane.ready or lane.running)]
        for lane in sorted(movable, key=lambda each: -len(each.ready)):
            count, why = next_count(lane.target, lane.span, self.cpu_load, self.ram_load, rule)
            if count > lane.target and not (lane.ready and lane.running >= lane.target):
                continue
            if count != lane.target:
                lane.target = count
                self.journal.event("workers", stage=lane.node.name, count=count, why=why)
                return

    def _say(self, *, final: bool = False) -> None:
        line = json.dumps({"progress": snapshot(self.scheduler, self.journal.now()), "final": final})
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except (BrokenPipeError, ValueError):  # the parent is gone; the lifeline will tell
            return


def _on_signal(job: Job, loop: asyncio.AbstractEventLoop) -> None:
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(job.scheduler.stop, KILLED))


async def _main() -> int:
    loop = asyncio.get_running_loop()
    nursery = Nursery()
    await nursery.fill(min(_READY, len(usable_cpus())))
    folder = (await loop.run_in_executor(None, sys.stdin.readline)).strip()
    if not folder:  # the config was refused
        await nursery.close()
        return 0
    run = RunDir(Path(folder))
    _errors_to(run.log)
    job = Job(run, nursery)
    _on_signal(job, loop)
    return EXIT_CODES[await job.run()]


def _errors_to(log: Path) -> None:
    """What we and our libraries complain of belongs into the run's folder."""
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)


def main() -> int:
    """Run the plan in the folder that stdin names; the exit code of the run."""
    die_with_parent(gently=True)
    try:
        return asyncio.run(_main())
    except OSError as error:
        sys.stderr.write(fault_of(error, "the run").sentence + "\n")
        return EXIT_CODES["failed"]


if __name__ == "__main__":
    sys.exit(main())
