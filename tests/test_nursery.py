"""Worker processes started ahead: used first, replaced when they died, ended when nobody needs them."""

import asyncio

import psutil

from runner.execute.nursery import Nursery


def test_those_that_wait_are_taken_first_and_the_dead_passed_over():
    async def scene():
        nursery = Nursery()
        await nursery.fill(2)
        first, second = list(nursery._waiting)
        second.kill()
        await second.wait()
        taken = await nursery.take()
        new = await nursery.take()
        assert taken is first and new not in (first, second)
        for process in (taken, new):
            process.stdin.close()
            assert await process.wait() == 0

    asyncio.run(scene())


def test_nobody_is_left_when_none_was_needed():
    async def scene():
        nursery = Nursery()
        await nursery.fill(2)
        pids = [process.pid for process in nursery._waiting]
        await nursery.close()
        return pids

    assert not [pid for pid in asyncio.run(scene()) if psutil.pid_exists(pid)]
