"""Tone-mapping against the formulas of its standards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from colour_help import (
    CONTENT,
    DISPLAY,
    HLG,
    PQ,
    SDR,
    copied,
    encoded,
    ffmpeg,
    film,
    first_light,
    hdr_film,
    patches,
    yuv_of,
)

from stages.contract import Failure, StageError
from stages.media.color import Colour, conversion
from stages.media.hdr import Light


def pq_signal(light: np.ndarray) -> np.ndarray:
    """cd/m² → PQ signal 0..1 (SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = (light / 10_000) ** m1
    return ((c1 + c2 * power) / (1 + c3 * power)) ** m2


def primaries_2020_to_709() -> np.ndarray:
    """Linear light of BT.2020 → of BT.709, from the coordinates of both (white D65)."""

    def to_xyz(corners: list[tuple[float, float]]) -> np.ndarray:
        columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in corners]).T
        white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
        return columns * np.linalg.solve(columns, white)

    narrow = to_xyz([(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)])
    return np.linalg.solve(narrow, to_xyz([(0.708, 0.292), (0.170, 0.797), (0.131, 0.046)]))


def mobius(brightest: np.ndarray, peak: float, knee: float = 0.3) -> np.ndarray:
    a = -(knee**2) * (peak - 1) / (knee**2 - 2 * knee + peak)
    b = (knee**2 - 2 * knee * peak + peak) / (peak - 1)
    bent = (b**2 + 2 * b * knee + knee**2) / (b - a) * (brightest + a) / (brightest + b)
    return np.where(brightest <= knee, brightest, bent)


def sdr_yuv(light: np.ndarray, peak: float) -> np.ndarray:
    """Linear BT.2020 light in cd/m², a row each → 8-bit Y, U, V of BT.709 (display gamma 2.4, BT.1886)."""
    narrow = np.maximum(light @ primaries_2020_to_709().T / 203, 0)
    brightest = np.maximum(narrow.max(1), 1e-6)
    narrow = narrow * (mobius(brightest, peak / 203) / brightest)[:, None]
    return yuv_of([tuple(row) for row in np.clip(narrow, 0, 1) ** (1 / 2.4)], "bt709", "tv", 8)


NITS = np.array(
    [(0, 0, 0), (10, 10, 10), (60, 60, 60), (203, 203, 203), (600, 600, 600), (1000, 1000, 1000), (80, 60, 50),
     (150, 200, 120)], float,
)  # fmt: skip


@pytest.mark.parametrize(("told", "peak"), [(None, 1000), ("L(40000000,50)", 4000), ("cll", 600)])
def test_pq_becomes_bt709_by_the_curve_that_the_note_names(tmp_path: Path, told: str | None, peak: int) -> None:
    light = np.minimum(NITS, peak)
    values = yuv_of([tuple(row) for row in pq_signal(light)], "bt2020nc", "tv", 10)
    source = film(tmp_path / "plain.mkv", values, PQ, "yuv420p10le")
    if told is not None:
        params = "max-cll=600,200" if told == "cll" else f"master-display={DISPLAY.split('L(')[0]}{told}"
        ffmpeg(
            "-i", source, "-c:v", "libx265", "-x265-params", f"lossless=1:log-level=error:{params}", tmp_path / "f.mp4"
        )
        source = tmp_path / "f.mp4"
    for name, pix_fmt in (("x264", "yuv420p"), ("x265", "yuv420p10le"), ("x264", "nv12")):
        piece = tmp_path / f"{name}.mp4"
        target, notes = encoded(source, piece, name, pix_fmt, "sdr")
        after = patches(copied(piece, tmp_path / f"{name}.mkv"))
        assert (after.colour, target) == (SDR, SDR)
        assert after.light is None, "how bright the HDR master was says nothing about the SDR picture"
        assert f"peak of {peak} cd/m²" in notes[0]
        assert "zscale and tonemap=mobius" in notes[0]
        deep = after.values / 4 if "10" in pix_fmt else after.values
        assert np.abs(deep - sdr_yuv(light, peak)).max() <= 2


def test_hlg_becomes_bt709(tmp_path: Path) -> None:
    """HLG on its reference display (BT.2100: 1000 cd/m², system gamma 1.2): grey of signal 0.5 is 1/12 of the scene."""
    signal = np.array([0.0, 0.25, 0.5])
    light = 1000 * (signal**2 / 3) ** 1.2
    values = yuv_of([(one, one, one) for one in signal], "bt2020nc", "tv", 10)
    source = film(tmp_path / "film.mkv", values, HLG, "yuv420p10le")
    _, notes = encoded(source, tmp_path / "piece.mp4", "x264", "yuv420p", "sdr")
    after = patches(tmp_path / "piece.mp4")
    assert after.colour == SDR
    assert "peak of 1000 cd/m² (that of HLG)" in notes[0]
    assert np.abs(after.values - sdr_yuv(np.repeat(light[:, None], 3, 1), 1000)).max() <= 2


def test_dolby_vision_does_not_outlive_tone_mapping(tmp_path: Path) -> None:
    """Its metadata would bend the SDR picture a second time; the filters that take it away are FFmpeg's."""
    chain, _, _ = conversion(PQ, "yuv420p10le", "yuv420p", "sdr", light=Light(dynamic=("Dolby Vision",)))
    assert {"sidedata=mode=delete:type=DOVI_METADATA", "sidedata=mode=delete:type=DOVI_RPU_BUFFER"} <= set(chain)
    source = hdr_film(tmp_path / "film.mp4", DISPLAY, CONTENT)
    ffmpeg("-i", source, "-vf", ",".join(chain), "-c:v", "libx264", tmp_path / "out.mp4")
    assert first_light(tmp_path / "out.mp4") is None


def test_tone_mapping_of_sdr_is_nothing_and_says_so(tmp_path: Path) -> None:
    values = yuv_of([(0.5, 0.2, 0.1)], "bt709", "tv", 8)
    target, notes = encoded(film(tmp_path / "film.mkv", values, SDR), tmp_path / "piece.mp4", "x264", "yuv420p", "sdr")
    assert (target, patches(tmp_path / "piece.mp4").values.tolist()) == (SDR, values.tolist())
    assert notes == ["nothing to tone-map: the source is not HDR (its transfer is bt709)"]
    assert "no transfer is told" in conversion(Colour(), "yuv420p", "yuv420p", "sdr")[2][0]


def test_what_cannot_be_tone_mapped_is_refused_in_a_sentence() -> None:
    with pytest.raises(StageError) as without:
        conversion(PQ, "yuv420p10le", "yuv420p", "sdr", filters={"tonemap", "scale"})
    assert without.value.failure is Failure.ENCODER
    assert "needs the filter zscale, which this FFmpeg lacks; " in without.value.sentence
    dolby = Colour("ipt-c2", "pc", "smpte2084", "bt2020")
    with pytest.raises(StageError) as matrix:
        conversion(dolby, "yuv420p10le", "yuv420p", "sdr")
    assert matrix.value.failure is Failure.BAD_INPUT
    assert "ipt-c2" in matrix.value.sentence
