"""The command line: `reeltune [command] [FILE …] key=value …`, also `python -m runner`."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Sequence

USAGE = """\
reeltune [run|plan|doctor|tune|ui|replay|sync|cache] [FILE …] key=value … [-m]

  reeltune pipeline=narrate lines.txt                       texts to finished audio files
  reeltune plan pipeline=narrate lines.txt                  what would run, why, and does it fit
  reeltune -m pipeline=narrate lines.txt \\
      workers.encode=1,4,8 profile=fast,balanced,quality    a sweep, compared in MLflow
  reeltune tune pipeline=transcode film.mp4 \\
      quality.vmaf='>=93'                                   the fastest settings that are good enough, as a profile
  reeltune doctor                                           what this machine can really do
  reeltune ui                                               compare runs in the browser
  reeltune replay outputs/latest                            try again what failed
  reeltune sync                                             tell MLflow what it missed
  reeltune cache [prune|verify|clear]                       the store of finished work

Files are named as they are, without quoting rules. Groups: pipeline, hardware, encoder, profile, tts. Keys:
workers.<stage>, output, outputs_dir and all that `reeltune pipeline=… --cfg job` prints. -m sweeps over a,b,c.
Tab completion: eval "$(reeltune -sc install=bash)"
Exit codes: 0 all, 3 some items failed, 1 none, 2 refused, 130 interrupted.
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code."""
    argv = list(sys.argv[1:] if words is None else words)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.stderr.reconfigure(errors="replace")  # type: ignore[union-attr]
    if not argv or argv[0] in ("-h", "--help", "help"):
        sys.stdout.write(USAGE)
        return 0
    if argv[0] == "--version":
        return _version()
    try:
        return _dispatch(argv)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    except (OSError, sqlite3.Error) as error:
        from runner.execute.failures import fault_of

        sys.stderr.write(f"{fault_of(error, 'reeltune').sentence}\n")
        return 1


def _version() -> int:
    from importlib.metadata import version

    sys.stdout.write(f"reeltune {version('reeltune')}\n")
    return 0


def _dispatch(argv: list[str]) -> int:
    from runner.config.arguments import sort_words
    from runner.config.compose import known_roots

    arguments = sort_words(argv, known_roots())
    if {"-h", "--help"} & set(arguments.flags):
        sys.stdout.write(USAGE)
        return 0
    if arguments.command in ("doctor", "ui", "sync", "cache"):
        return _tool(arguments.command, [w for w in argv if w != arguments.command])
    if arguments.command == "plan":
        from runner.commands.plan import plan

        return plan(arguments)
    if arguments.command == "tune":
        from runner.commands.tune import tune

        return tune(arguments)
    if arguments.flags or (arguments.multirun and arguments.command == "run"):
        from runner.commands.sweep import hydra_main

        return hydra_main(arguments)
    if arguments.command == "replay":
        from runner.commands.replay import replay

        return replay(arguments)
    from runner.commands.run import run

    return run(arguments)


def _tool(command: str, words: list[str]) -> int:
    from importlib import import_module

    from rich.console import Console

    return int(getattr(import_module(f"runner.commands.{command}"), command)(words, Console(highlight=False)))


if __name__ == "__main__":
    sys.exit(main())
