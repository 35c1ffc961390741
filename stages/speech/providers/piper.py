"""Piper: neural voices from a file on this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stages.contract import Failure, Needs, StageError
from stages.platform.limits import usable_cpus
from stages.settings import Problem
from stages.speech.provider import Provider, Request, Speech, refuse_settings
from stages.speech.settings import SpeakSettings
from stages.speech.wav import WavWriter

_INSTALL = 'pip install "reeltune[piper]"'


class PiperProvider(Provider):
    """Speaks with a voice file: `voice` is the path of an .onnx file, its .onnx.json lies beside it.

    Speech differs a little each time, as the networks draw noise. Piper tells no word times.
    """

    # The network runs on all cores by itself: two voices at once are slower than one after the other.
    needs = Needs(cpu_threads=float(len(usable_cpus())), ram_mb=500)

    def __init__(self, config: SpeakSettings) -> None:
        super().__init__(config)
        self._voices: dict[str, Any] = {}

    def open(self) -> None:
        """Load the voice of the settings; a text's own voice is loaded when it comes."""
        self._voice(self.config.voice)

    def close(self) -> None:
        """Let the voices go."""
        self._voices.clear()

    def synthesize(self, request: Request, out: WavWriter) -> Speech:
        """Speak sentence by sentence."""
        from piper.config import SynthesisConfig

        voice = self._voice(request.voice)
        length = voice.config.length_scale / (1 + request.rate / 100)
        # the voice's own level stays, so that sentences keep their balance
        manner = SynthesisConfig(length_scale=length, volume=1 + self.config.volume / 100, normalize_audio=False)
        spoken = 0
        for chunk in voice.synthesize(request.text, manner):
            out.begin(chunk.sample_rate)
            out.write(chunk.audio_int16_bytes)
            spoken += len(chunk.phonemes)
            request.progress(min(0.99, spoken / max(1, len(request.text))))
        return Speech()

    def _voice(self, path: str) -> Any:
        if path not in self._voices:
            self._voices[path] = _load(Path(path))
        return self._voices[path]

    @classmethod
    def voice_problem(cls, config: SpeakSettings, voice: str) -> tuple[str, str] | None:  # noqa: ARG003
        """A voice file that is not there, not one, or lacks its .onnx.json."""
        if not voice:
            return "no voice file is named", "name one: tts.voice=/path/to/voice.onnx"
        path = Path(voice)
        if path.suffix != ".onnx" or not path.is_file():
            return f"there is no voice file {voice!r}", "name an .onnx file that is there"
        if not _config_of(path).is_file():
            return f"{_config_of(path)} is missing", "put the .onnx.json that came with the voice beside it"
        return None

    @classmethod
    def problems(cls, config: SpeakSettings, key: str) -> Iterable[Problem]:
        """The package that is not there, and what Piper cannot do."""
        if find_spec("piper") is None:
            yield Problem(f"{key}.provider", "the package piper-tts is not installed", _INSTALL)
        yield from refuse_settings(config, key, ("pitch",), "piper")

    @classmethod
    def tools(cls, config: SpeakSettings) -> Mapping[str, str]:
        """Digest of the voice file."""
        path = Path(config.voice)
        if not path.is_file():
            return {}
        status = path.stat()
        return {"piper-voice": _digest(path, status.st_mtime_ns, status.st_size)}


def _config_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


@lru_cache(maxsize=16)
def _digest(path: Path, _mtime_ns: int, _size: int) -> str:
    """sha256 (hex) of a voice and its settings; read again only when the file changed."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    config = _config_of(path)
    if config.is_file():
        digest.update(config.read_bytes())
    return digest.hexdigest()


def _load(path: Path) -> Any:
    """A voice with one thread: texts run side by side, in workers, not inside one."""
    try:
        onnxruntime = import_module("onnxruntime")
        from piper.config import PiperConfig
        from piper.voice import PiperVoice
    except ImportError as error:
        sentence = f"tts=piper needs the package piper-tts, which is not installed; {_INSTALL}"
        raise StageError(Failure.BAD_INPUT, sentence) from error
    if problem := PiperProvider.voice_problem(SpeakSettings(), str(path)):
        raise StageError(Failure.BAD_INPUT, "; ".join(problem))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        config = PiperConfig.from_dict(json.loads(_config_of(path).read_text(encoding="utf-8")))
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library has a class of its own for every kind of damage, with no common parent
        reason = f"{path}: is no voice that piper can read; download it again"
        raise StageError(Failure.BAD_INPUT, reason, detail=str(error)) from error
    return PiperVoice(session=session, config=config)
