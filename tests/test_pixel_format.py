"""What pixel formats hold, as FFmpeg describes them, and what one loses in another."""

from __future__ import annotations

import pytest

from stages.media.pixel_format import losses, pixel_format


@pytest.mark.parametrize(
    ("source", "target", "lost"),
    [
        ("yuvj420p", "yuv420p", []),
        ("nv12", "yuv420p", []),
        ("gray", "yuv420p", []),
        ("yuv411p", "yuv422p", []),
        ("yuv410p", "yuv420p", []),
        ("p010le", "yuv420p", ["10 bit become 8"]),
        ("yuva444p12le", "yuv420p10le", ["12 bit become 10", "4:4:4 becomes 4:2:0", "transparency is dropped"]),
        ("rgba", "yuv444p", ["RGB becomes YUV 4:4:4", "transparency is dropped"]),
        ("pal8", "yuv420p", ["RGB becomes YUV 4:2:0"]),
        ("yuv440p", "yuv422p", ["4:4:0 becomes 4:2:2"]),
    ],
)
def test_what_a_pixel_format_cannot_hold_is_named(source: str, target: str, lost: list[str]) -> None:
    assert losses(pixel_format(source), pixel_format(target)) == lost
