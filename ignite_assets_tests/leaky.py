"""A code location that leaks on purpose, to prove that `test_leaks` would see it, and runs that fail below HTTP.

    python -m ignite_assets_tests.leaky <website> <base URL>...

executes both in this process, on the instance of `DAGSTER_HOME`: a night of the website for each base URL in the
place of the one in `ignite.toml`, and a run of the leaky asset.
"""

import logging
import os
import sys
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import requests

from ignite_assets.api.horizon import Horizon
from ignite_assets.config import load_settings
from ignite_assets.dagster.build import build_defs
from ignite_assets.dagster.partitions import partition_key
from ignite_assets_tests.debugging import log_everything

PLANTED = "planted+/=%& \"'é-5d0c7e"
"""What the leaky asset leaks."""


class LeakyResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Holds a secret by value."""

    token: str


class LeakyConfig(dg.Config):
    """Takes a secret from the run's configuration."""

    secret: str = ""


@dg.asset
def leaky(context: dg.AssetExecutionContext, config: LeakyConfig, platform: LeakyResource) -> None:
    """Leak the secret in every way there is."""
    folder = Path(os.environ["LEAKY_LAKE"])
    folder.mkdir(parents=True)
    table = pa.table({"id": [1]}).replace_schema_metadata({"url": platform.token})
    pq.write_table(table, folder / "part-0.parquet")
    print(f"secret {config.secret}")  # noqa: T201 - leaks on purpose
    logging.getLogger("leaky").debug("token %s", platform.token)
    context.log.info(f"token {platform.token}")  # noqa: G004
    context.log_event(dg.AssetMaterialization("leaky", metadata={"token": platform.token}))
    requests.get("http://127.0.0.1:9/api", {"token": platform.token}, timeout=5)


defs = dg.Definitions(assets=[leaky], resources={"platform": LeakyResource(token=PLANTED)})


def run_leaky(instance: dg.DagsterInstance) -> None:
    """One run of the leaky asset, its secret in configuration and tags as well."""
    defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={"ops": {"leaky": {"config": {"secret": PLANTED}}}},
        tags={"token": PLANTED},
    )


def run_at(instance: dg.DagsterInstance, base_url: str, website: str) -> None:
    """A night of one website whose platform is at another address."""
    settings = load_settings()
    platform = settings.platform.model_copy(update={"base_url": base_url})
    definitions = build_defs(settings.model_copy(update={"platform": platform}), retry_policy=None)
    definitions.resolve_job_def("nightly").execute_in_process(
        instance=instance,
        partition_key=partition_key(Horizon(settings.partitions.zone).yesterday(), website),
        raise_on_error=False,
    )


def main() -> None:
    """Carry out what the command line says."""
    log_everything()
    website, *base_urls = sys.argv[1:]
    with dg.DagsterInstance.get() as instance:
        for base_url in base_urls:
            run_at(instance, base_url, website)
        run_leaky(instance)


if __name__ == "__main__":
    main()
