"""What a container holds of a film, and what becomes of the rest."""

import io
from fractions import Fraction
from pathlib import Path

import av
import pytest

from stages.media.containers import CONTAINERS, container_for, fates, loss_sentence
from stages.media.film import Film, Other


def film(container: str = "mov,mp4,m4a,3gp,3g2,mj2", *others: Other, name: str = "film.mp4") -> Film:
    return Film(Path(name), container, (), (), others, 0, Fraction(0), Fraction(1))


def deeds(container: str, *others: Other, sound: str = "copy") -> list[tuple[str, str]]:
    return [(fate.deed, fate.codec) for fate in fates(others, CONTAINERS[container], sound)]


AAC = Other(1, "audio", "aac", "")
SRT = Other(2, "subtitle", "subrip", "")
ASS = Other(3, "subtitle", "ass", "")
PGS = Other(4, "subtitle", "hdmv_pgs_subtitle", "")
FONT = Other(5, "attachment", "ttf", "a.ttf")
VORBIS = Other(6, "audio", "vorbis", "")
DATA = Other(7, "data", "", "")
UNKNOWN = Other(8, "audio", "", "")


def test_matroska_holds_it_all():
    assert deeds("mkv", AAC, SRT, ASS, PGS, FONT, VORBIS) == [("copy", "")] * 6


def test_mp4_converts_text_and_foreign_sound_and_loses_pictures_of_text():
    assert deeds("mp4", AAC, SRT, ASS, PGS, FONT, VORBIS) == [
        ("copy", ""), ("convert", "mov_text"), ("convert", "mov_text"), ("lost", ""), ("lost", ""), ("convert", "aac"),
    ]  # fmt: skip
    (styled,) = fates([ASS], CONTAINERS["mp4"])
    assert "styles are lost" in styled.why


def test_sound_can_be_coded_anew():
    assert deeds("webm", AAC, sound="encode") == [("convert", "libopus")]
    assert deeds("mp4", AAC, UNKNOWN, sound="encode") == [("convert", "aac"), ("lost", "")]


@pytest.mark.parametrize(
    ("source", "name", "others", "family", "wanted", "told"),
    [
        ("mov,mp4,m4a,3gp,3g2,mj2", "a.mp4", (AAC,), "h264", "mp4", ""),
        ("mov,mp4,m4a,3gp,3g2,mj2", "a.MOV", (AAC,), "h264", "mov", ""),
        ("mov,mp4,m4a,3gp,3g2,mj2", "a.mp4", (AAC, DATA, UNKNOWN), "h264", "mp4", ""),
        ("matroska,webm", "a.mkv", (ASS, FONT), "h264", "mkv", ""),
        ("matroska,webm", "a.webm", (), "av1", "webm", ""),
        ("matroska,webm", "a.webm", (), "h264", "mkv", "webm cannot hold h264 video"),
        ("mpegts", "a.ts", (AAC,), "h264", "mkv", "mpegts files are not written"),
        ("mov,mp4,m4a,3gp,3g2,mj2", "a.mp4", (VORBIS,), "h264", "mkv", "mp4 cannot hold audio vorbis"),
        ("mov,mp4,m4a,3gp,3g2,mj2", "a.3gp", (Other(1, "audio", "amr_nb", ""),), "h264", "mp4", ""),
    ],
)
def test_auto_keeps_the_kind_where_nothing_is_lost(source, name, others, family, wanted, told):
    container, why = container_for(film(source, *others, name=name), family)
    assert container.name == wanted
    assert told in why and bool(why) == bool(told)


def test_a_loss_names_the_stream_and_offers_mkv():
    lost = [fate for fate in fates([PGS], CONTAINERS["mp4"]) if fate.deed == "lost"]
    sentence = loss_sentence(film("matroska,webm", PGS, name="film.mkv"), lost)
    assert sentence == (
        "film.mkv: stream 4 (subtitle hdmv_pgs_subtitle): mp4 holds no hdmv_pgs_subtitle subtitles; "
        "use video.container=mkv, or video.on_lost=drop to leave it out"
    )


@pytest.mark.parametrize("name", CONTAINERS)
def test_sound_that_is_copied_can_be_written(name):
    """By the answer of the muxer itself, in the names that decoders have."""
    with av.open(io.BytesIO(), "w", format=CONTAINERS[name].format) as output:
        written = output.supported_codecs
    decoders = {"dts": "dca", "ra_144": "real_144", "ra_288": "real_288", "amr_nb": "amrnb", "amr_wb": "amrwb"}
    assert [codec for codec in CONTAINERS[name].sound if decoders.get(codec, codec) not in written] == []


@pytest.mark.parametrize(
    ("codec", "deed"),
    [("wmav2", ("convert", "aac")), ("adpcm_ms", ("convert", "aac")), ("pcm_dvd", ("convert", "flac"))],
)
def test_sound_that_matroska_does_not_hold_is_converted_and_without_loss_where_it_was_not_compressed(codec, deed):
    assert deeds("mkv", Other(1, "audio", codec, "")) == [deed]
