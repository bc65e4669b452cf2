"""The same pipeline for both ways: Parquet with zstd 1 in a folder, no state kept, workers for what can be parallel."""

import os
from collections.abc import Iterable
from typing import Any

os.environ.update(
    {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "CRITICAL",
        "RESTORE_FROM_DESTINATION": "false",
        "EXTRACT__WORKERS": "16",
        "EXTRACT__MAX_PARALLEL_ITEMS": "64",
        "NORMALIZE__WORKERS": "1",
        "LOAD__WORKERS": "2",
        "DATA_WRITER__BUFFER_MAX_ITEMS": "200000",
        "NORMALIZE__DATA_WRITER__COMPRESSION": "zstd",
        "NORMALIZE__DATA_WRITER__COMPRESSION_LEVEL": "1",
        "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID": "false",
        "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_ID": "false",
    }
)

import dlt

from benchmarks.task import Task


def load(task: Task, data: Iterable[Any] | Any) -> None:
    """Run a fresh pipeline over some data into the task's folder."""
    pipeline = dlt.pipeline(
        pipeline_name="benchmark",
        pipelines_dir=str(task.folder / "_dlt_pipelines"),
        destination=dlt.destinations.filesystem(bucket_url=str(task.folder / "lake")),
        dataset_name="ignite",
    )
    pipeline.run(data, loader_file_format="parquet").raise_on_failed_jobs()
