"""Slots: how many requests a service gets at once."""

import threading
import time

from stages.service.slots import Slots, shared_slots


def test_the_limit_begins_with_eight_and_grows_by_one_a_window_up_to_the_cap():
    slots = Slots(cap=10)
    seen = []
    for _ in range(8 + 9 + 30):
        with slots.taken() as lease:
            lease.succeeded()
        seen.append(slots.limit)
    assert seen[6:8] == [8, 9]
    assert seen[15:17] == [9, 10]
    assert seen[-1] == 10
    assert Slots(cap=3).limit == 3
    assert Slots(cap=32, begin=20).limit == 20
    assert Slots(cap=10, begin=20).limit == 10


def test_a_burst_of_refusals_halves_once_and_the_next_burst_again():
    slots = Slots(cap=32)
    for expected in (4, 2, 1, 1):
        with slots.taken() as one:
            leases = [one, one]
            if slots.limit > 1:
                with slots.taken() as other:
                    leases.append(other)
            for lease in leases:
                lease.too_much()
        assert slots.limit == expected


def test_never_more_at_once_than_the_limit():
    slots, most, now, lock = Slots(cap=5), [0], [0], threading.Lock()

    def go():
        with slots.taken():
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.005)
            with lock:
                now[0] -= 1

    threads = [threading.Thread(target=go) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert most[0] == 5
    assert slots.busy == 0


def test_threads_of_a_process_share_the_slots_of_a_service():
    assert shared_slots("here", 8) is shared_slots("here", 8)
    assert shared_slots("here", 8) is not shared_slots("there", 8)
    assert shared_slots("here", 8) is not shared_slots("here", 8, begin=4)
