"""The peers' environments, made on demand below `.bench`, which git ignores."""

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent.parent / ".bench"


def python_of(variant: str) -> Path:
    """The Python of a peer's environment, which is made when it isn't there. Raises `RuntimeError` when it can't be."""
    peer = variant.split(".")[1]
    folder = FOLDER / peer
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    requirements = HERE / peer / "requirements.txt"
    stamp = folder / ".installed"
    if stamp.exists() and stamp.read_text() == requirements.read_text():
        return python
    print(f"installing {peer} into {folder} (a few minutes, once)", file=sys.stderr)
    venv.create(folder, with_pip=True)
    ended = subprocess.run(
        [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input", "-r", requirements],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(next((line for line in ended.stderr.splitlines() if "ERROR" in line), "pip failed"))
    stamp.write_text(requirements.read_text())
    return python
