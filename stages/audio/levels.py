"""Bringing speech to a target loudness: one linear gain, and a limiter only where the gain would pass the peak."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.media.loudness import Loudness

if TYPE_CHECKING:
    from av import AudioFrame
    from av.filter import Graph

_OVERSAMPLED = 192_000  # the limiter must see the peaks between the samples
_MARGIN_DB = 0.3  # what resampling back may add above the limit
_SMALLEST_DB = 0.05


@dataclass(frozen=True, slots=True)
class Gain:
    """What is done to the level: `db` of gain; `limit_db` (dBTP) where a limiter is needed; `note` says why."""

    db: float = 0.0
    limit_db: float | None = None
    note: str = ""

    def filters(self, rate: int) -> list[tuple[str, dict[str, str]]]:
        """Filters of libavfilter, in order, for sound of this sample rate; [] when there is nothing to do."""
        if abs(self.db) < _SMALLEST_DB and self.limit_db is None:
            return []
        chain = [("volume", {"volume": f"{self.db:.4f}dB", "precision": "double"})]
        if self.limit_db is None:
            return chain
        limit = 10 ** ((self.limit_db - _MARGIN_DB) / 20)
        limiter = {"limit": f"{limit:.6f}", "level": "0", "latency": "1", "attack": "5", "release": "50"}
        return [
            *chain,
            ("aresample", {"out_sample_rate": str(_OVERSAMPLED)}),
            ("alimiter", limiter),
            ("aresample", {"out_sample_rate": str(rate)}),
        ]


def gain_to(measured: Loudness, target_lufs: float, true_peak_db: float) -> Gain:
    """The gain that brings a sound to the target.

    Args:
        measured: its loudness, as it will sound.
        target_lufs: wanted integrated loudness.
        true_peak_db: highest legal true peak, dBTP.
    """
    if measured.lufs is None:
        return Gain(note=f"level unchanged: {measured.note}")
    db = target_lufs - measured.lufs
    peak = -60.0 if measured.true_peak_db is None else measured.true_peak_db
    if peak + db <= true_peak_db:
        return Gain(db)
    note = f"limiter used: {db:+.1f} dB would peak at {peak + db:+.1f} dBTP, above {true_peak_db:+.1f}"
    return Gain(db, true_peak_db, note)


def levelled(frames: Iterable[AudioFrame], gain: Gain) -> Iterator[AudioFrame]:
    """Frames after the gain (64-bit samples inside: nothing clips); the same frames when there is nothing to do."""
    graph: Graph | None = None
    for frame in frames:
        if not gain.filters(frame.sample_rate):
            yield frame
            continue
        graph = graph or _graph(frame, gain)
        graph.push(frame)
        yield from _ready(graph)
    if graph is not None:
        graph.push(None)
        yield from _ready(graph)


def _graph(frame: AudioFrame, gain: Gain) -> Graph:
    import av

    graph = av.filter.Graph()

    graph.threads = 1
    head = graph.add_abuffer(sample_rate=frame.sample_rate, layout=frame.layout.name, format=frame.format.name)
    nodes = [graph.add(name, **options) for name, options in gain.filters(frame.sample_rate)]
    graph.link_nodes(head, *nodes, graph.add("abuffersink")).configure()
    return graph


def _ready(graph: Graph) -> Iterator[AudioFrame]:
    from av import AudioFrame

    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):
            return
        assert isinstance(frame, AudioFrame)
        yield frame
