"""Worker processes: one that died answers every task, also the one that is given to it too late."""

import asyncio

import pytest

from runner.execute.nursery import Nursery
from runner.execute.pool import Pool, TaskFailed, WorkerSetup


def setup(tmp_path, **settings):
    return WorkerSetup(
        stage="first", type="drill.step", settings=settings, threads=1, store=str(tmp_path / "cache"), ram_mb=0,
        cpus=0, nice=0, mark=str(tmp_path),
    )  # fmt: skip


def task(tmp_path, text):
    return {
        "stage": "first", "item": {"key": text, "data": {"text": text}, "files": {}}, "parts": [],
        "scratch": str(tmp_path / "scratch" / text), "memory_mb": 0,
    }  # fmt: skip


def test_a_worker_that_died_since_it_was_chosen_fails_its_task_at_once(tmp_path):
    async def scene():
        pool = Pool(setup(tmp_path), tmp_path / "log", lambda: None, Nursery())
        worker = pool.add()
        reply = await worker.run(task(tmp_path, "a"), 30)
        assert reply["ok"]["data"] == {"text": "a"}
        worker.kill()
        while worker._failure is None:
            await asyncio.sleep(0.01)
        with pytest.raises(TaskFailed) as caught:
            await asyncio.wait_for(worker.run(task(tmp_path, "b"), 3600), 10)
        assert caught.value.died and pool.idle() is None
        await pool.close()

    asyncio.run(scene())


def test_a_stage_that_cannot_be_opened_says_so(tmp_path):
    async def scene():
        pool = Pool(setup(tmp_path, nonsense=1), tmp_path / "log", lambda: None, Nursery())
        with pytest.raises(TaskFailed, match="nonsense"):
            await pool.add().run(task(tmp_path, "a"), 30)
        await pool.close()

    asyncio.run(scene())
