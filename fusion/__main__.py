"""python -m fusion train|evaluate|predict|map|export spec.json [--folder DIR]: by hand, by a job, under Slurm; no web.

Exit code 0: done. 1: failed, the cause is the last event. 3: stopped on request; the same command goes on.
"""

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fusion.errors import GeoquorumError, UnsafeEnvironmentError
from fusion.run import CANCELLED, DONE, FAILED, EvaluateSpec, PredictSpec, RunSpec, read_json, read_words, write_json


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit code."""
    given = _parse(words)
    try:
        from fusion.engine.session import (
            FolderBusyError,
            RunCancelledError,
            open_session,
            watch_parent_from_environment,
        )
    except UnsafeEnvironmentError as error:  # the engine refuses to start
        print(f"Not started: {error}", file=sys.stderr)
        return FAILED
    folder = given.folder or given.spec.parent
    watch_parent_from_environment()
    try:
        with open_session(folder) as session:
            _run(given.command, given.spec, session)
    except RunCancelledError as error:
        print(error, file=sys.stderr)
        return CANCELLED
    except GeoquorumError as error:
        is_busy = isinstance(error, FolderBusyError)
        print(f"{'Not started' if is_busy else 'Failed'}: {error}", file=sys.stderr)
        return FAILED
    except Exception:  # the seam: whatever it was, it is the run's last event by now
        traceback.print_exc()
        return FAILED
    return DONE


def _parse(words: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(prog="python -m fusion", description="Train, evaluate or predict from a spec.")
    parser.add_argument("command", choices=("train", "evaluate", "predict", "map", "export"))
    parser.add_argument("spec", type=Path, help="JSON file: RunSpec, EvaluateSpec, PredictSpec, MapSpec or ExportSpec")
    parser.add_argument("--folder", type=Path, help="run folder; the spec's own where not given")
    return parser.parse_args(words)


def _run(command: str, path: Path, session: Any) -> None:
    """torch is imported here, after the words were read: a bad spec is refused at once."""
    values = read_json(path)
    if command == "train":
        spec = RunSpec.from_json(values)
        from fusion.engine.train import train

        if session.rank == 0 and not (session.folder / "spec.json").exists():
            write_json(session.folder / "spec.json", spec.to_json())
        train(spec, session)
    elif command == "evaluate":
        words = read_words(EvaluateSpec, values)
        from fusion.engine.evaluate import evaluate

        evaluate(words, session)
    elif command == "map":
        from fusion.mapping.spec import read_spec

        tiles = read_spec(values)
        from fusion.mapping.drawing import draw

        draw(tiles, session)
    elif command == "export":
        from fusion.export_spec import ExportSpec

        asked = read_words(ExportSpec, values)
        from fusion.engine.onnx_export import export

        export(asked, session)
    else:
        wanted = read_words(PredictSpec, values)
        from fusion.engine.predict import predict

        predict(wanted, session)


if __name__ == "__main__":
    sys.exit(main())
