"""Imports only go down, heavy libraries are imported where they are used, and each library has one door."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted([*(ROOT / "runner").rglob("*.py"), *(ROOT / "stages").rglob("*.py")])
FLOORS = [
    "runner.cli",
    "runner.commands",
    "runner.tune",
    "runner.execute",
    "runner.plan",
    "runner.config",
    "runner.record",
]
FLOORS += ["runner.hardware", "stages.<kind>", "stages.service", "stages.media", "stages.registry", "stages.<ground>"]
GROUND = {"stages.contract", "stages.source", "stages.settings", "stages.platform", "stages.rate"}
HEAVY = {
    "PIL", "aiohttp", "av", "cv2", "dotenv", "edge_tts", "espeakng_loader", "faster_whisper", "ffmpeg",
    "hydra", "imageio_ffmpeg", "jinja2", "matplotlib", "mlflow", "numpy", "omegaconf", "onnxruntime", "optuna",
    "pandas", "pesq", "piper", "psutil", "pynvml", "pystoi", "requests", "rich", "scipy", "torch", "yaml",
}  # fmt: skip
OWN_PROCESSES = {"runner.record.tracker", "runner.record.tracker_push"}
OWN_PROCESSES |= {"runner.record.tracker_store", "runner.record.tracker_sweep"}
# torch code through and through: each is imported inside the function that loads a model, or by one of the others
TORCH_CODE = {
    f"stages.upscale.models.{name}"
    for name in ("identity", "lanczos", "onnx_model", "probe", "rrdb", "spandrel_model", "srvgg", "upscaler")
}
DOORS = {
    "hydra": {"runner.config.compose", "runner.commands.sweep"},
    "omegaconf": {"runner.config.compose", "runner.commands.sweep", "runner.plan.check", "runner.execute.launch"},
    "optuna": {"runner.tune.optuna_choice"},
    "mlflow": OWN_PROCESSES | {"runner.commands.doctor"},
}


def module_of(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(node, module):
    """Full names that an import statement may load: `from a import b` may mean the module `a.b`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{module}: relative imports hide what they reach"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def imports(file, *, loaded_at_once=False):
    """(line, name) of imports: all of them, or those that happen when the module is imported."""
    tree, module = ast.parse(file.read_text(encoding="utf-8")), module_of(file)
    nodes = top_level(tree) if loaded_at_once else ast.walk(tree)
    return [(getattr(node, "lineno", 0), name) for node in nodes for name in imported(node, module)]


def top_level(node):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from top_level(child)


def floor_of(name):
    if any(name == ground or name.startswith(f"{ground}.") for ground in GROUND):
        return FLOORS.index("stages.<ground>")
    head = ".".join(name.split(".")[:2])
    if head in FLOORS:
        return FLOORS.index(head)
    assert name.startswith("stages."), f"{name} stands on no floor: add it to the order"
    return FLOORS.index("stages.<kind>")


def of_ours():
    for file in FILES:
        if module_of(file) not in ("runner", "stages", "runner.__main__"):
            for line, name in imports(file):
                if name.split(".")[0] in ("runner", "stages"):
                    yield module_of(file), line, name


def test_the_walk_sees_what_there_is():
    seen = list(of_ours())
    assert len(FILES) > 100 and len(seen) > 200
    assert ("runner.execute.job", "runner.plan.plan.load_plan") in {(module, name) for module, _, name in seen}
    assert any(module == "runner.cli" and name.startswith("runner.commands") for module, _, name in seen), "lazy ones"


def test_imports_only_go_down():
    up = [f"{m}:{line} imports {name}" for m, line, name in of_ours() if floor_of(name) < floor_of(m)]
    assert up == []


def test_stages_know_no_runner_no_hydra_no_mlflow():
    strangers = {"runner", "hydra", "omegaconf", "mlflow"}
    found = [
        f"{file}:{line} {name}"
        for file in FILES
        if module_of(file).startswith("stages")
        for line, name in imports(file)
        if name.split(".")[0] in strangers
    ]
    assert found == []


def test_the_runner_reaches_stages_through_few_doors():
    """The contract, the registry, settings that the schema shows, and what doctor and the encoder check ask for."""
    doors = (*GROUND, "stages.registry", "stages.media.ffmpeg", "stages.media.encoders", "stages.speech.settings")
    sections = ("video", "upscale", "script", "image", "scene", "caption", "short")
    doors += tuple(f"stages.{kind}.settings" for kind in sections)
    through_walls = [
        f"{m}:{line} {name}"
        for m, line, name in of_ours()
        if m.startswith("runner") and name.startswith("stages") and not name.startswith(doors)
    ]
    assert through_walls == []


@pytest.mark.parametrize("library", sorted(DOORS))
def test_a_library_has_one_door(library):
    users = {module_of(file) for file in FILES for _, name in imports(file) if name.split(".")[0] == library}
    assert users <= DOORS[library]
    assert users, f"nothing uses {library}: take it off the dependencies"


def test_heavy_libraries_are_imported_where_they_are_used():
    heavy = [
        f"{file.relative_to(ROOT)}:{line} {name}"
        for file in FILES
        if module_of(file) not in OWN_PROCESSES
        for line, name in imports(file, loaded_at_once=True)
        if name.split(".")[0] in HEAVY and not (name.startswith("torch") and module_of(file) in TORCH_CODE)
    ]
    assert heavy == []


def test_torch_code_is_imported_at_once_by_torch_code_alone():
    eager = [(module_of(f), name) for f in FILES for _, name in imports(f, loaded_at_once=True)]
    reaching = [(m, name) for m, name in eager if any(name.startswith(f"{code}.") for code in TORCH_CODE)]
    assert reaching, "the rule sees something"
    assert {module for module, _ in reaching} <= TORCH_CODE


def test_help_and_planning_ground_load_nothing_heavy():
    """What the tree says is what really happens: imported in a fresh process, no heavy library comes along."""
    own = OWN_PROCESSES | TORCH_CODE
    modules = [m for f in FILES if (m := module_of(f)) not in own and not m.endswith("__main__")]
    code = f"import importlib, sys\nfor m in {modules!r}: importlib.import_module(m)\n"
    code += f"print(*sorted({HEAVY!r} & {{m.partition('.')[0] for m in sys.modules}}))"
    env = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_only_platform_knows_the_operating_system():
    """`resource`, `fcntl`, `ctypes` and the like live in the ground (and where C libraries are spoken to)."""
    allowed = {
        "stages.platform.limits",
        "stages.platform.processes",
        "stages.speech.espeak_ng",
        "runner.hardware.tools",
    }
    found = {
        module_of(file)
        for file in FILES
        for _, name in imports(file)
        if name.split(".")[0] in {"resource", "fcntl", "ctypes", "msvcrt", "winreg", "pwd"}
    }
    assert found <= allowed
