"""What the scheduler has under way: it knows when nothing is left, and hears of every error."""

import asyncio

from runner.execute.underway import Underway


def made():
    wakes, errors = [], []
    return Underway(lambda: wakes.append(1), errors.append), wakes, errors


def test_work_is_under_way_until_it_ended_and_wakes():
    async def go():
        underway, wakes, errors = made()
        gate = asyncio.Event()

        async def work():
            await gate.wait()

        underway.spawn(work())
        assert underway.works and underway.anything
        gate.set()
        await underway.end_of_works()
        await asyncio.sleep(0)
        assert not underway.works and not underway.anything
        assert wakes == [1] and errors == []
        await underway.end_of_works()

    asyncio.run(go())


def test_an_error_is_told_and_a_cancelled_work_is_none():
    async def go():
        underway, wakes, errors = made()

        async def breaks():
            raise OSError("the disk is full")

        async def stops():
            raise asyncio.CancelledError

        underway.spawn(breaks())
        underway.spawn(stops())
        await underway.end_of_works()
        await asyncio.sleep(0)
        assert [str(error) for error in errors] == ["the disk is full"]
        assert len(wakes) == 2

    asyncio.run(go())


def test_a_timer_is_something_to_come_until_it_rang():
    async def go():
        underway, wakes, _ = made()
        rang = []
        underway.later(0.01, lambda: rang.append(underway.anything))
        assert underway.anything and not underway.works
        await asyncio.sleep(0.1)
        assert rang == [False] and wakes == [1] and not underway.anything

    asyncio.run(go())


def test_one_look_to_come_is_enough_and_then_there_may_be_another():
    async def go():
        underway, wakes, _ = made()
        for _ in range(3):
            underway.look_again(0.01)
        await asyncio.sleep(0.1)
        assert wakes == [1]
        underway.look_again(0.01)
        await asyncio.sleep(0.1)
        assert wakes == [1, 1] and not underway.anything

    asyncio.run(go())
