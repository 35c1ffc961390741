"""Fonts that subtitles ask for: named when the film does not bring them along."""

import matplotlib
import pytest
from film_help import survey
from picture_help import ffmpeg

from stages.media.subtitle_fonts import missing_fonts

ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour
Style: Default,Arial,20,&H00FFFFFF
Style: Sign,DejaVu Sans,20,&H00FFFFFF
Style: Song,Fancy Hand,20,&H00FFFFFF

[Events]
Format: Layer, Start, End, Style, Text
Dialogue: 0,0:00:00.10,0:00:00.80,Song,La la
"""


@pytest.fixture
def subtitled(tmp_path):
    (tmp_path / "a.ass").write_text(ASS, encoding="utf-8")
    font = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
    target = tmp_path / "film.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x96:d=1", "-i", tmp_path / "a.ass", "-map", 0, "-map", 1, "-c:v",
           "libx264", "-c:s", "ass", "-attach", font, "-metadata:s:t", "mimetype=font/ttf",
           "-metadata:s:t", "filename=7f3a.ttf", target)  # fmt: skip
    return target


def test_a_font_is_known_by_the_name_inside_it(subtitled):
    assert missing_fonts(subtitled) == ["Fancy Hand"]


def test_the_survey_says_which_font_players_will_miss(tmp_path, subtitled):
    notes = survey(subtitled, tmp_path / "work").notes
    assert [note for note in notes if "'Fancy Hand', which is not attached" in note]


def test_a_film_without_styled_subtitles_asks_for_nothing(tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x96:d=0.2", "-c:v", "libx264", tmp_path / "film.mkv")
    assert missing_fonts(tmp_path / "film.mkv") == []
