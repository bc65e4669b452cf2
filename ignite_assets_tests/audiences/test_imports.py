"""What importing the audiences leaves alone."""

import subprocess
import sys


def test_importing_exports_and_opt_outs_loads_neither_duckdb_nor_pandas() -> None:
    code = (
        "import sys; from ignite_assets.audiences import exports, opt_outs; "
        "print({'duckdb', 'pandas', 'email_validator', 'dagster'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
