"""What a user gets who installs goalkit, in an environment of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_core_alone_opens_and_runs_a_bundle(exported, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}

    def run(*command):
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "venv", "fresh")
    python = tmp_path / "fresh" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", ROOT)
    installed = run(python, "-m", "pip", "list", "--format", "freeze")
    assert "transformers==" not in installed
    assert "pyarrow==" not in installed
    verified = f"from goalkit import Bundle; Bundle.open({str(exported.path)!r}).verify(['今晚跑五公里']).raise_if_failed()"
    run(python, "-c", verified)
    assert "今晚跑五公里" in run(python, "-m", "goalkit", "predict", "--bundle", exported.path, "今晚跑五公里")
    refused = subprocess.run(
        [python, "-c", "import goalkit; goalkit.Dataset"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert 'pip install "goalkit[data]"' in refused.stderr
