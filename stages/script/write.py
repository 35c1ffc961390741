"""The script of a film: the file itself, or what a service writes about it; saved, to be edited and used again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from stages.contract import Failure, Json, Needs, Result, Stage, StageError, Work
from stages.script.author import LONGEST_BRIEF, Written, brief_of, write_script
from stages.script.chat import chat_problems
from stages.script.model import ScriptError, script_from
from stages.script.notation import dump, load
from stages.script.parse import script_of
from stages.script.pictures import asset_problems
from stages.script.settings import ScriptSettings
from stages.settings import Problem


class WriteScript(Stage[ScriptSettings]):
    """Makes the artifact `script`: YAML with everything per scene, which is a script file too.

    Data: `title`, `description`, `language` ("" where unknown), `scenes` [`Scene.as_data()`, …].
    """

    config_class = ScriptSettings
    produces: ClassVar[Mapping[str, str]] = {"script": "text/yaml"}
    reads: ClassVar[Sequence[str]] = ("source_text", "source_format")
    writes: ClassVar[Sequence[str]] = ("title", "description", "language", "scenes")

    def run(self, work: Work) -> Result:
        """Write one script. Threads may call this at the same time.

        Raises:
            StageError: BAD_INPUT for a script that is none; NETWORK, RATE_LIMITED or TIMEOUT when a service failed for
                good.
        """
        data = work.item.data
        try:
            if problem := self.item_problem(self.config, data):
                raise StageError(Failure.BAD_INPUT, problem)
            written = self._written(data)
        except StageError as error:
            raise error.about(work.item.key) from error
        target = work.scratch / "script.yaml"
        target.write_bytes(dump(written.script).encode())
        said = {"title": "", "description": "", "language": "", **written.script.as_data()}
        return Result(files={"script": target}, data=said, metrics=written.metrics, notes=written.notes)

    def _written(self, data: Mapping[str, Json]) -> Written:
        if self.config.provider == "openai":
            return write_script(self.config, brief_of(self.config, data["source_text"]))
        reading = script_of(self.config, data)
        return Written(reading.script, reading.notes)

    def verify(self, work: Work, result: Result) -> None:
        """The saved script, read again, is the same script."""
        super().verify(work, result)
        again = script_from(load(Path(result.files["script"]).read_text(encoding="utf-8"))).script.as_data()
        if again != {name: value for name, value in result.data.items() if value != ""}:
            raise StageError(Failure.BUG, f"{work.item.key}: the saved script reads differently from what was written")

    @classmethod
    def item_problem(cls, config: ScriptSettings, data: Mapping[str, Json]) -> str | None:
        """A script with anything wrong in it, or nothing to write about."""
        if config.provider == "openai":
            return _brief_problem(brief_of(config, data["source_text"]))
        try:
            scenes = script_of(config, data).script.scenes
        except ScriptError as error:
            return error.sentence()
        images = [(number, scene.image) for number, scene in enumerate(scenes, 1) if scene.image]
        # without its pictures told, the text alone is judged: `script.scenes` asks for them
        problems = asset_problems(images, data["assets"]) if "assets" in data else []
        return ScriptError(problems).sentence() if problems else None

    @classmethod
    def problems(cls, config: ScriptSettings, key: str) -> Iterable[Problem]:
        """A service that cannot be asked, settings that would do nothing, a folder that is not there."""
        if config.provider == "openai":
            yield from chat_problems(config, key)
        elif config.topic:
            yield Problem(f"{key}.topic", "a script from a file has no topic", "say script=openai to have one written")
        if config.folder and not Path(config.folder).is_dir():
            yield Problem(f"{key}.folder", f"there is no folder {config.folder!r}", "name the folder of the pictures")

    @classmethod
    def needs(cls, config: ScriptSettings) -> Needs:
        """Next to nothing: a service does the work, and a file is read in no time."""
        return Needs(cpu_threads=0.0 if config.provider == "openai" else 0.1, ram_mb=60)

    @classmethod
    def concurrency(cls, config: ScriptSettings) -> int:
        """As many as the service may be asked at once."""
        return config.concurrency if config.provider == "openai" else 1


def _brief_problem(brief: str) -> str | None:
    if not brief:
        return "says nothing to write about; write some words, or say script.topic="
    if len(brief) > LONGEST_BRIEF:
        return f"has {len(brief)} characters; tell what the film is about in at most {LONGEST_BRIEF}"
    return None
