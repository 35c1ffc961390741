"""Scripts in tests: the source and the stages as plain objects, one after the other."""

from stages.contract import Item, Work
from stages.script.files import ScriptFiles
from stages.script.scenes import Scenes
from stages.script.settings import ScriptSettings
from stages.script.write import WriteScript


def script_item(path, content, **settings):
    """The item of a script file with this content (bytes are written as they are)."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    (found,) = ScriptFiles(ScriptSettings(**settings)).read(path)
    return Item(found.name, found.data)


def written(tmp_path, item, **settings):
    """The result of `script.write`."""
    stage = WriteScript(ScriptSettings(**settings))
    work = Work(Item(item.key, {name: item.data[name] for name in WriteScript.reads}), tmp_path)
    result = stage.run(work)
    stage.verify(work, result)
    return result


def scene_children(tmp_path, item, **settings):
    """The children of `script.scenes` after `script.write`."""
    data = {**item.data, **written(tmp_path, item, **settings).data}
    taken = {name: data[name] for name in (*Scenes.reads, *Scenes.may_read) if name in data}
    return Scenes(ScriptSettings(**settings)).run(Work(Item(item.key, taken), tmp_path)).children
