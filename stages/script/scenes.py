"""A script → its scenes, each an item of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import ClassVar

from stages.contract import Child, Failure, Json, Needs, Result, Stage, StageError, Work
from stages.script.model import ScriptError
from stages.script.parse import script_of
from stages.script.pictures import asset_problems
from stages.script.settings import ScriptSettings

_LONGEST_PROMPT = 600
_OPENING = 160  # signs
_AS_WRITTEN = ("voice", "rate", "motion", "pause_s")


class Scenes(Stage[ScriptSettings]):
    """Children `01`, `02`, … with the data of one scene each; what a scene does not say is absent.

    Data of a child: `text`, `title`, `opening`, `prompt`, `seed`; and `voice`, `rate`, `motion`, `pause_s`, `language`,
    `caption` {"enabled", "style", …}, `image` {"path", "digest"} where the script says so. A prompt that is not given
    is made of title and text, a seed of the prompt, so that a scene put in between changes no other, and new words
    under a prompt that stays ask for no new picture. `opening` is the beginning of the text where there is no title: a
    drawn picture shows it.
    """

    config_class = ScriptSettings
    reads: ClassVar[Sequence[str]] = ("scenes",)
    may_read: ClassVar[Sequence[str]] = ("language", "assets")
    writes: ClassVar[Sequence[str]] = (
        "text", "title", "opening", "prompt", "seed",
        "voice", "rate", "image", "caption", "motion", "pause_s", "language",
    )  # fmt: skip
    fans_out: ClassVar[bool] = True

    def run(self, work: Work) -> Result:
        """Make the children.

        Raises:
            StageError: BAD_INPUT when a picture that a scene names cannot be had.
        """
        data = work.item.data
        try:
            children = children_of(data["scenes"], str(data.get("language") or ""), data.get("assets") or {})
        except ScriptError as error:
            raise StageError(Failure.BAD_INPUT, f"{work.item.key}: {error.sentence()}") from error
        return Result(children=children, metrics={"script.scenes": len(children)})

    @classmethod
    def foresee(cls, config: ScriptSettings, data: Mapping[str, Json]) -> list[Child] | None:
        """The children that `run` will make of an input item, told from its data alone.

        Returns:
            None when that cannot be told: a service is still to write the script, or there is something wrong with it.
        """
        if config.provider != "file":
            return None
        try:
            script = script_of(config, data).script
            scenes = [scene.as_data() for scene in script.scenes]
            return children_of(scenes, script.language, data.get("assets") or {})
        except ScriptError:
            return None

    @classmethod
    def needs(cls, config: ScriptSettings) -> Needs:  # noqa: ARG003
        """Next to nothing."""
        return Needs(cpu_threads=0.1, ram_mb=60)


def children_of(
    scenes: Sequence[Mapping[str, Json]], language: str, assets: Mapping[str, Mapping[str, str]]
) -> list[Child]:
    """The items of scenes as `Scene.as_data` gives them.

    Raises:
        ScriptError: naming each picture that cannot be had.
    """
    images = [(number, str(scene["image"])) for number, scene in enumerate(scenes, 1) if "image" in scene]
    if problems := asset_problems(images, assets):
        raise ScriptError(problems)
    digits = max(2, len(str(len(scenes))))
    return [Child(f"{n:0{digits}d}", _data(scene, language, assets)) for n, scene in enumerate(scenes, 1)]


def _data(scene: Mapping[str, Json], language: str, assets: Mapping[str, Mapping[str, str]]) -> dict[str, Json]:
    title, text = str(scene.get("title", "")), str(scene["text"])
    prompt = str(scene.get("prompt") or _prompt(title, text))
    opening = "" if title else " ".join(text.split())[:_OPENING]
    data = {
        "text": text,
        "title": title,
        "opening": opening,
        "prompt": prompt,
        "seed": scene.get("seed", _seed(prompt)),
    }
    data |= {name: scene[name] for name in _AS_WRITTEN if name in scene}
    if spoken := scene.get("language") or language:
        data["language"] = spoken
    if "captions" in scene:
        data["caption"] = dict(scene["captions"])
    if "image" in scene:
        asset = assets[str(scene["image"])]
        data["image"] = {"path": asset["path"], "digest": asset["digest"]}
    return data


def _prompt(title: str, text: str) -> str:
    """Title and text, cut after a word."""
    whole = " ".join(f"{title}. {text}".split()) if title else " ".join(text.split())
    if len(whole) <= _LONGEST_PROMPT:
        return whole
    return f"{whole[:_LONGEST_PROMPT].rpartition(' ')[0] or whole[:_LONGEST_PROMPT]}…"


def _seed(prompt: str) -> int:
    """31 bits that hang on the prompt alone."""
    return int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4], "big") >> 1
