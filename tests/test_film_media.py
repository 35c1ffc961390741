"""Films of others (a folder named by REELTUNE_MEDIA): every frame, stream, chapter and tag, whole and in chunks."""

import os
from pathlib import Path

import pytest
from film_help import apart, held, transcode

from stages.media.frames import track

FOLDER = Path(os.environ.get("REELTUNE_MEDIA", "")) / "video"
FILMS = sorted(FOLDER.iterdir()) if os.environ.get("REELTUNE_MEDIA") and FOLDER.is_dir() else []
NOT_OURS = {"encoder", "vendor_id", "major_brand", "minor_version", "compatible_brands", "duration", "creation_time"}

pytestmark = pytest.mark.skipif(not FILMS, reason="REELTUNE_MEDIA names no folder with films in video/")


def kept(tags):
    """Tags of the content: not those of the file, nor a date that means no date."""
    return {k.lower(): v for k, v in tags.items() if k.lower() not in NOT_OURS}


@pytest.mark.parametrize("chunks", ["off", "1"])
@pytest.mark.parametrize("film", FILMS, ids=lambda film: film.name)
def test_nothing_is_lost(tmp_path, film, chunks):
    made = transcode(film, tmp_path / "work", chunks=chunks)
    before, after = held(film), held(made.path)
    assert after.kinds == before.kinds and after.dispositions == before.dispositions
    assert after.chapters == before.chapters
    limit = 1.0 if made.path.suffix == ".mkv" else 0.0
    assert all(apart(one, other) <= limit for one, other in zip(before.times, after.times, strict=True))
    assert [kept(one) for one in after.tags] == [kept(one) for one in before.tags]
    assert kept(before.about).items() <= kept(after.about).items()
    assert track(made.path).rotation == track(film).rotation
