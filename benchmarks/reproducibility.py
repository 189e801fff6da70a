"""Reproducibility of training: run twice, killed and resumed, in two processes, and a search in two processes.

Each training run is a separate process: `python -m benchmarks.reproducibility '<json>'`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from goalkit import Dataset, GoalModel, Splits, Trainer
from goalkit.evaluation import evaluate
from goalkit.training import Search
from goalkit.training.processes import Processes

ROWS, EPOCHS, BATCH, RATE = 1_200, 4, 16, 5e-4
KILLS, SEEDS, TRIALS = 5, 5, 8
TOGETHER = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


def measure(data: Path | None) -> dict[str, Any]:
    """Train, kill, resume and compare."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        exact = {"dropout": 0.0, "precision": "float32"}
        alone, together = _train(place / "one", **exact), _train(place / "two", *TOGETHER, **exact)
        pairs = list(zip(alone["losses"], together["losses"], strict=True))
        whole = _train(place / "whole")
        return {
            "rows": ROWS,
            "steps": len(pairs),
            "loss_difference": max(abs(one - two) / one for one, two in pairs),
            "seeds": [_train(place / f"seed{seed}", seed=seed)["accuracy"] for seed in range(SEEDS)],
            "two_processes": _train(place / "drop", *TOGETHER)["accuracy"],
            "twice": _train(place / "again")["digest"] == whole["digest"],
            "kills": [_killed(place / f"killed{number}", len(pairs), number, whole["digest"]) for number in range(KILLS)],
            "search": _search(place / "study.journal"),
        }


def _start(folder: Path, *launcher: str, **settings: Any) -> subprocess.Popen[str]:
    order = json.dumps({"folder": str(folder), **settings})
    command = [sys.executable, *launcher, "-m", "benchmarks.reproducibility", order]
    if launcher:
        command = [sys.executable, *launcher, "--module", "benchmarks.reproducibility", order]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _train(folder: Path, *launcher: str, **settings: Any) -> dict[str, Any]:
    with _start(folder, *launcher, **settings) as process:
        output, _ = process.communicate()
    found: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return found


def _killed(folder: Path, steps: int, number: int, digest: str) -> dict[str, Any]:
    """Kill a training run when its log has reached a random step, and let another process resume it."""
    target = random.Random(number).randrange(10, steps - 20)
    with _start(folder) as process:
        while process.poll() is None and _logged(folder) < target:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    return {"after": _logged(folder), "same": _train(folder)["digest"] == digest}


def _logged(folder: Path) -> int:
    """Return the last step in the log of a training run."""
    log = folder / "log.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.exists() else []
    return max((int(json.loads(line)["step"]) for line in lines if line.endswith("\n")), default=0)


def _search(study: Path) -> dict[str, Any]:
    """Run two processes in one study."""
    processes = [_start(study, search=True) for _ in range(2)]
    for process in processes:
        process.communicate()
    with _start(study, search=True) as last:  # finds nothing left to do, and reports
        output, _ = last.communicate()
    found: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return found


def _work(order: dict[str, Any]) -> dict[str, Any]:
    goals = Dataset.goals().clean()
    splits = goals.split(seed=0)
    splits = Splits(splits.train.take(range(ROWS)), splits.validation.take(range(200)), splits.test)
    model = GoalModel.from_backbone("tiny-bert", tasks=goals.tasks, weights="random")
    folder = Path(order.pop("folder"))
    if order.pop("search", False):
        some = Splits(splits.train.take(range(300)), splits.validation, splits.test)
        found = Search.wide(trials=TRIALS).run(model, some, study=folder, trainer=Trainer(epochs=1), progress=False)
        settings = {json.dumps(trial.settings, sort_keys=True) for trial in found.trials}
        return {"trials": len(found.trials), "different": len(settings), "wanted": TRIALS}
    trainer = Trainer(epochs=EPOCHS, batch_size=BATCH, learning_rate=RATE, patience=EPOCHS, **order)
    run = trainer.fit(model, splits, folder=folder, resume=True, checkpoint_steps=20, progress=False)
    accuracy = statistics.mean(score.accuracy for score in evaluate(run.model, splits.test))
    return {"digest": run.model.digest(), "losses": run.losses, "accuracy": accuracy}


def page(found: dict[str, Any], where: str) -> str:
    """Return the section of docs/benchmarks.md."""
    seeds = found["seeds"]
    kills = [each for each in found["kills"] if each["after"] < found["steps"]]  # the others were killed too late
    after = ", ".join(str(each["after"]) for each in kills)
    same = sum(each["same"] for each in kills)
    search = found["search"]
    return "\n".join(
        [
            "## Reproducibility of training",
            "",
            f"Full-size tiny-bert from random weights, {found['rows']:,} goals, {found['steps']} steps; accuracy is the mean "
            "of the three tasks on the test goals.",
            "",
            "| experiment | result |",
            "|---|---|",
            f"| the same seed twice | {'the same bytes' if found['twice'] else 'different bytes'} |",
            f"| killed with `kill -9` at a random step ({after}) and resumed | the same bytes {same} of {len(kills)} times |",
            "| two processes under `torchrun` against one, float32, no dropout: largest relative difference of a step's loss | "
            f"{found['loss_difference']:.1e} |",
            f"| accuracy over {len(seeds)} seeds, with dropout | {min(seeds):.1%} to {max(seeds):.1%} |",
            f"| accuracy of two processes, with dropout | {found['two_processes']:.1%} |",
            f"| a search of {search['wanted']} trials by two processes | {search['trials']} trials, "
            f"{search['different']} different |",
            "",
            where,
            "",
        ]
    )


if __name__ == "__main__":
    answer = _work(json.loads(sys.argv[1]))
    if Processes.current().first:
        print(json.dumps(answer))
