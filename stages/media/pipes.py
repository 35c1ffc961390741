"""The pipes of an outside program. Each has a thread of its own, so that neither side waits for the other for ever."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import IO

from stages.platform.processes import widen_pipe

Piece = bytes | bytearray | memoryview
STUCK = b"pthread_create() failed"  # no room for a thread's stack: FFmpeg may then wait for that thread for ever
_TAIL = 16 * 1024
_READ = 64 * 1024
_ROOM = 1024 * 1024  # bytes in the pipe that is written to: raw frames then go through in two turns instead of thirty


class Reader(threading.Thread):
    """Reads one pipe until its end, so that the program never waits for us: keeps a tail, or hands pieces on."""

    def __init__(
        self,
        stream: IO[bytes],
        keep: int,
        take: Callable[[bytes], None] | None,
        stop: threading.Event,
        stuck: bytes = b"",
    ) -> None:
        super().__init__(daemon=True)
        self.stream, self.keep, self.take, self.stop, self.stuck = stream, keep, take, stop, stuck
        self.tail = bytearray()
        self.error: Exception | None = None

    def run(self) -> None:
        """Read to the end; what the callback raises is kept for the caller, and reading goes on."""
        with contextlib.suppress(ValueError, OSError):  # closed under us once the group was ended
            while piece := os.read(self.stream.fileno(), _READ):
                self._put(piece)

    def _put(self, piece: bytes) -> None:
        if self.take is None:
            self.tail += piece
            del self.tail[: max(0, len(self.tail) - self.keep)]
            if self.stuck and self.stuck in self.tail:
                self.stop.set()
        elif self.error is None:
            try:
                self.take(piece)
            except Exception as error:  # noqa: BLE001 - raised again by run_process, in the caller's thread
                self.error = error
                self.stop.set()


class Feeder(threading.Thread):
    """Writes pieces one after another, then closes the stream, which tells the program that this was all.

    A program that ended, or closed its stdin, takes no more: that is no error of ours, its status tells about it.
    """

    def __init__(self, stream: IO[bytes], pieces: Iterable[Piece], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.stream, self.pieces, self.stop = stream, pieces, stop
        self.error: Exception | None = None
        self._ended = threading.Event()

    def run(self) -> None:
        """Feed until the pieces end, or nobody takes them."""
        try:
            self._feed()
        except Exception as error:  # noqa: BLE001 - raised again by run_process, in the caller's thread
            self.error = error
            self.stop.set()
        finally:
            self.stream.close()

    def _feed(self) -> None:
        for piece in self.pieces:
            if self._ended.is_set() or not self._write(memoryview(piece).cast("B")):
                return

    def _write(self, piece: memoryview) -> bool:
        """All of it, or False: the other end is closed."""
        try:
            while piece:
                piece = piece[os.write(self.stream.fileno(), piece) :]
        except OSError:  # a broken pipe; Windows says that the argument is invalid
            return False
        return True

    def end(self) -> None:
        """Ask for no more pieces than the one in work."""
        self._ended.set()


class Pipes:
    """All pipes of one program.

    Args:
        process: started with pipes for stdout and stderr, and for stdin when it is fed.
        keep: bytes of stdout kept when nobody takes them.
        take: gets pieces of stdout, in another thread.
        feed: what its stdin gets; None: nothing.

    Attributes:
        broken: set when the program should be ended: what reads or feeds failed, or it hangs.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        keep: int,
        take: Callable[[bytes], None] | None,
        feed: Iterable[Piece] | None,
    ) -> None:
        assert process.stdout is not None and process.stderr is not None
        self.broken = threading.Event()
        self.out = Reader(process.stdout, keep, take, self.broken)
        self.err = Reader(process.stderr, _TAIL, None, self.broken, STUCK)
        self.feeder: Feeder | None = None
        if process.stdin is not None and feed is not None:
            widen_pipe(process.stdin.fileno(), _ROOM)
            self.feeder = Feeder(process.stdin, feed, self.broken)

    @property
    def error(self) -> Exception | None:
        """What the callback or the feed raised."""
        return self.out.error or (self.feeder.error if self.feeder else None)

    def start(self) -> None:
        """Begin to read and to feed."""
        for thread in filter(None, (self.out, self.err, self.feeder)):
            thread.start()

    def end(self) -> Sequence[threading.Thread]:
        """The program ended: nothing more is fed. Gives the threads that now come to their end."""
        if self.feeder is None:
            return (self.out, self.err)
        self.feeder.end()
        return (self.out, self.err, self.feeder)

    def close(self) -> None:
        """Let go of them, once the program ended and nobody else holds them."""
        if self.feeder is not None and self.feeder.ident is not None:
            self.feeder.end()
            self.feeder.join()
        self.out.stream.close()
        self.err.stream.close()
