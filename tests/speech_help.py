"""Speaking in tests: the stage as a plain object, without the runner."""

import wave

from stages.contract import Item, Work
from stages.speech.settings import SpeakSettings
from stages.speech.speak import Speak


def work(tmp_path, text, key="item", **data):
    scratch = tmp_path / key
    scratch.mkdir(exist_ok=True)
    return Work(Item(key, {"text": text, **data}), scratch)


def speak(tmp_path, text, key="item", data=None, **settings):
    """The result of one text with these settings."""
    stage = Speak(SpeakSettings(**settings))
    stage.open()
    try:
        task = work(tmp_path, text, key, **(data or {}))
        result = stage.run(task)
        stage.verify(task, result)
        return result
    finally:
        stage.close()


def wav_of(result):
    """(rate, samples) of the speech, read by the standard library."""
    import numpy as np

    with wave.open(str(result.files["speech"])) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2")


def texts_of(result):
    return [word for word, _, _ in result.data["words"]]


def sane_words(result):
    """Times are in order and inside the audio."""
    rows = result.data["words"]
    assert all(0 <= start <= end <= result.data["duration_s"] + 1e-3 for _, start, end in rows)
    assert [start for _, start, _ in rows] == sorted(start for _, start, _ in rows)
    return rows
