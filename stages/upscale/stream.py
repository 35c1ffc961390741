"""Decoding, inference and encoding at the same time, each in a thread of its own, with bounded memory between them.

What goes wrong in one of them ends all three; its error is raised where the stream was started, after all have ended.
Batches are always full but for the last: what a model computes may hang on how many frames it is given at once, and a
stream that is run again must give the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from stages.upscale.buffer import ByteBuffer, CancelledStreamError, EndOfStreamError

T = TypeVar("T")
U = TypeVar("U")

DECODE, INFER, ENCODE = "decode", "infer", "encode"
AHEAD = 16  # items in a buffer at least, where bytes allow: decoders give frames in bursts
SHARE = 4  # one part of the budget for decoded frames, the rest for results, which are many times larger
_LOOK_S = 0.1  # between two looks at cancelling and progress
_BUSY = 0.8  # of the time: who is busy longer than that holds the others up


@dataclass(slots=True)
class StageTime:
    """Seconds that one of the three worked, waited for something to work on, and waited to hand on what it made."""

    busy_s: float = 0.0
    starved_s: float = 0.0
    blocked_s: float = 0.0

    @property
    def waiting_s(self) -> float:
        """Seconds that it waited for the others."""
        return self.starved_s + self.blocked_s


@dataclass(frozen=True, slots=True)
class StreamState:
    """How far a running stream is: items taken from the source, results given away, bytes in the two buffers."""

    taken: int
    items: int
    source_bytes: int
    result_bytes: int


@dataclass(frozen=True, slots=True)
class StreamReport:
    """What a stream did.

    Attributes:
        taken: items that came from the source.
        items: results that went into the sink.
        wall_s: seconds from start to end.
        decode, infer, encode: where the seconds of each went.
        source_peak, result_peak: most bytes that were held before inference and after it.
        holding: which of the three held the others up, in a sentence.
    """

    taken: int
    items: int
    wall_s: float
    decode: StageTime
    infer: StageTime
    encode: StageTime
    source_peak: int
    result_peak: int
    holding: str


def run_stream(
    source: Iterator[T],
    work: Callable[[list[T]], list[U]],
    sink: Callable[[U], object],
    *,
    batch: int,
    budget_bytes: int,
    size_of_source: Callable[[T], int],
    size_of_result: Callable[[U], int],
    flush: Callable[[], list[U]] | None = None,
    cancel: threading.Event | None = None,
    progress: Callable[[StreamState], object] | None = None,
) -> StreamReport:
    """Run a source through work into a sink, all three at the same time.

    Args:
        source: where items come from; iterated, and closed if it is a generator, in the thread `decode`.
        work: makes results of up to `batch` items, of exactly as many but at the end. It may keep items back for later,
            and may empty its list to let go of them early. Runs in the thread `infer`.
        sink: takes the results one by one, in order, in the thread `encode`.
        batch: items that `work` gets at once.
        budget_bytes: bytes held between the three. What each has in hand comes on top: a batch and its results.
        size_of_source: bytes of an item.
        size_of_result: bytes of a result.
        flush: gives what `work` kept back, at the end.
        cancel: set by anybody to end the stream early.
        progress: told how far it is, in the caller's thread, about ten times a second and at the end.

    Raises:
        CancelledStreamError: `cancel` was set before all was done.
        BaseException: the first error of source, work, sink or progress; what failed after it is a note to it.
        ValueError: `batch` or `budget_bytes` is too small.
    """
    if batch < 1 or budget_bytes < 2:
        raise ValueError(f"a stream needs a batch of 1 or more and a budget of 2 bytes, not {batch} and {budget_bytes}")
    ahead = max(AHEAD, 4 * batch)
    share = max(1, budget_bytes // SHARE)
    stream = _Stream(ByteBuffer[T](share, ahead), ByteBuffer[U](budget_bytes - share, ahead))
    threads = (
        _thread(stream, DECODE, lambda: stream.decode(source, size_of_source)),
        _thread(stream, INFER, lambda: stream.infer(work, flush, batch, size_of_result)),
        _thread(stream, ENCODE, lambda: stream.encode(sink)),
    )
    began = time.monotonic()
    _watch(stream, threads, cancel, progress)
    if stream.error is not None:
        raise stream.error
    return stream.report(time.monotonic() - began)


def _thread(stream: _Stream[Any, Any], name: str, run: Callable[[], None]) -> threading.Thread:
    def guarded() -> None:
        try:
            run()
        except CancelledStreamError as error:
            if error.__cause__ is not stream.error or stream.error is None:
                stream.fail(name, error)  # somebody else's stream, not this one
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            stream.fail(name, error)

    return threading.Thread(target=guarded, name=f"stream-{name}", daemon=True)


def _watch(
    stream: _Stream[Any, Any],
    threads: tuple[threading.Thread, ...],
    cancel: threading.Event | None,
    progress: Callable[[StreamState], object] | None,
) -> None:
    """Start the threads and wait until all have ended, whatever happens meanwhile.

    An interrupt cancels as well; a second one is not waited for.
    """
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(_LOOK_S)
                if progress is not None:
                    progress(stream.state())
                if cancel is not None and cancel.is_set() and any(thread.is_alive() for thread in threads):
                    stream.fail("cancel", CancelledStreamError("the stream was cancelled"))
        if progress is not None and stream.error is None:
            progress(stream.state())
    except BaseException as error:  # noqa: BLE001 - raised by the caller, after the threads have ended
        stream.fail("progress", error)
        for thread in threads:
            if thread.ident is not None:
                thread.join()


class _Stream(Generic[T, U]):
    """The two buffers, the three loops, and where their time went."""

    def __init__(self, before: ByteBuffer[T], after: ByteBuffer[U]) -> None:
        self.before, self.after = before, after
        self.times = {name: StageTime() for name in (DECODE, INFER, ENCODE)}
        self.taken, self.items = 0, 0
        self.error: BaseException | None = None
        self._lock = threading.Lock()

    def fail(self, who: str, error: BaseException) -> None:
        """End the stream. The first error is its cause; what fails after it is told with it."""
        with self._lock:
            first = self.error is None
            self.error = self.error or error
        if first:
            self.before.cancel(error)
            self.after.cancel(error)
        elif error is not self.error and not isinstance(error, CancelledStreamError):
            self.error.add_note(f"after it {who} failed too: {type(error).__name__}: {error}")

    def state(self) -> StreamState:
        """How far it is."""
        return StreamState(self.taken, self.items, self.before.used, self.after.used)

    def decode(self, source: Iterator[T], size: Callable[[T], int]) -> None:
        """From the source into the first buffer; a source that can be closed is, here, where it ran."""
        with closing(source) if isinstance(source, Generator) else nullcontext():
            self._decode(source, size)
        self.before.close()

    def _decode(self, source: Iterator[T], size: Callable[[T], int]) -> None:
        times = self.times[DECODE]
        while True:
            began = time.perf_counter()
            try:
                item = next(source)
            except StopIteration:
                break
            finally:
                times.busy_s += time.perf_counter() - began
            self.taken += 1
            began = time.perf_counter()
            self.before.put(item, size(item))
            times.blocked_s += time.perf_counter() - began
            del item  # the next one may be long in coming, and this one is somebody else's now

    def infer(
        self,
        work: Callable[[list[T]], list[U]],
        flush: Callable[[], list[U]] | None,
        batch: int,
        size: Callable[[U], int],
    ) -> None:
        """From the first buffer through the work into the second."""
        while items := self._batch(batch):
            made = self._timed(partial(work, items))
            del items
            self._hand_on(made, size)
        if flush is not None:
            self._hand_on(self._timed(flush), size)
        self.after.close()

    def _batch(self, most: int) -> list[T]:
        """As many items as were asked for; fewer only at the end."""
        began = time.perf_counter()
        items: list[T] = []
        with suppress(EndOfStreamError):
            while len(items) < most:
                items.append(self.before.get())
        self.times[INFER].starved_s += time.perf_counter() - began
        return items

    def _timed(self, work: Callable[[], list[U]]) -> list[U]:
        began = time.perf_counter()
        try:
            return list(work())
        finally:
            self.times[INFER].busy_s += time.perf_counter() - began

    def _hand_on(self, made: list[U], size: Callable[[U], int]) -> None:
        began = time.perf_counter()
        made.reverse()
        while made:
            self.after.put(made[-1], size(made[-1]))
            made.pop()
        self.times[INFER].blocked_s += time.perf_counter() - began

    def encode(self, sink: Callable[[U], object]) -> None:
        """From the second buffer into the sink."""
        times = self.times[ENCODE]
        while True:
            began = time.perf_counter()
            try:
                item = self.after.get()
            except EndOfStreamError:
                return
            finally:
                times.starved_s += time.perf_counter() - began
            began = time.perf_counter()
            sink(item)
            del item  # its memory is free before the next one is waited for
            times.busy_s += time.perf_counter() - began
            self.items += 1

    def report(self, wall_s: float) -> StreamReport:
        """What it did."""
        return StreamReport(
            self.taken, self.items, wall_s, self.times[DECODE], self.times[INFER], self.times[ENCODE],
            self.before.peak, self.after.peak, _holding(self.times, wall_s),
        )  # fmt: skip


def _holding(times: dict[str, StageTime], wall_s: float) -> str:
    """Who was busy most of the time, and what the others did meanwhile."""
    parts = {name: time.busy_s / max(wall_s, 1e-9) for name, time in times.items()}
    most = max(parts, key=lambda name: parts[name])
    if parts[most] < _BUSY:
        told = ", ".join(f"{name} {part:.0%}" for name, part in parts.items())
        return f"none of the three held the others up: busy were {told} of {wall_s:.1f} s"
    others = " and ".join(
        f"{name} waited {time.waiting_s / wall_s:.0%}" for name, time in times.items() if name != most
    )
    return f"{most} held the others up: it was busy {parts[most]:.0%} of {wall_s:.1f} s, while {others}"
