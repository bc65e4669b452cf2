"""`ignite-assets endpoints`: the endpoint table."""

import json
from collections.abc import Sequence

import click

from ignite_assets.cli.command import Command
from ignite_assets.cli.text import aligned


@click.command(cls=Command, short_help="Show the endpoint table.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with each asset's columns.")
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
def endpoints(as_json: bool, markdown: bool) -> None:
    """Show the endpoints: each asset, its call, and which dates it can be captured for.

    \b
    Example:
      ignite-assets endpoints
    """
    from ignite_assets.api.endpoints import ENDPOINTS

    if as_json and markdown:
        raise click.UsageError("--json and --markdown exclude each other")
    if as_json:
        shown = [
            {
                "asset": e.name,
                "call": f"GET {e.path}",
                "history": e.history,
                "algo": e.hashed,
                "description": e.description,
                "columns": [{"name": c.name, "type": c.type, "description": c.description} for c in e.columns],
            }
            for e in ENDPOINTS
        ]
        click.echo(json.dumps({"endpoints": shown}, indent=2))
        return
    rows = table_rows()
    click.echo(as_markdown(rows) if markdown else "\n".join(aligned(rows)))


def table_rows() -> list[list[str]]:
    """The endpoint table as rows of text, its header first: what the README shows, too."""
    from ignite_assets.api.endpoints import ENDPOINTS

    dates = {"look_back": "60 days back", "current_state": "yesterday only"}
    header = ["asset", "call", "dates", "columns"]
    return [
        header,
        *(
            [e.name, f"GET {e.path}", dates[e.history], ", ".join(column.name for column in e.columns)]
            for e in ENDPOINTS
        ),
    ]


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table."""
    header, *body = (f"| {' | '.join(f'`{cell}`' if n < 2 else cell for n, cell in enumerate(row))} |" for row in rows)
    return "\n".join([header.replace("`", ""), "|" + "---|" * len(rows[0]), *body])
