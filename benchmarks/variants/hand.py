"""By hand: requests, `.json()`, a data frame, `to_parquet`: what one would write first."""

from typing import Any

import pandas as pd
import pyarrow.parquet as _  # noqa: F401 - to_parquet would import it
import requests

from benchmarks.task import Task

_PARAMETERS = {"token": "benchmark", "secret": "benchmark", "algo": "sha2"}


def run(task: Task) -> None:
    """One endpoint, in the obvious way."""
    if task.endpoint == "location_details":
        answer = [_get(f"{task.url}/api/locations/{number}") for number in task.ids]
    else:
        answer = _get(f"{task.url}/api/{task.endpoint}")
    frame = pd.DataFrame({"hashed_email": answer}) if task.endpoint == "visitors" else pd.DataFrame(answer)
    frame.to_parquet(task.file)


def _get(url: str) -> Any:
    response = requests.get(url, params=_PARAMETERS, timeout=60)
    response.raise_for_status()
    return response.json()
