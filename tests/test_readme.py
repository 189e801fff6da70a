import ast
import re
from pathlib import Path

from goalkit import GOAL_TASKS, Dataset

README = Path(__file__).parent.parent / "README.md"


def test_quickstart_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    goals = Dataset.goals()
    monkeypatch.setattr(Dataset, "goals", lambda: goals.take(range(0, len(goals), 60)))  # for time
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "build" / "GoalAnalyzer" / "manifest.json").exists()
    labels = ast.literal_eval(capsys.readouterr().out.splitlines()[-1])
    assert labels["category"] == "健康"
    assert labels.keys() == {task.name for task in GOAL_TASKS}
