"""A soak: weeks of simulated nights against the sandbox, with faults, kills and clock jumps, and a proof at the end.

    python -m soak --days 60

The code location (`definitions`) is the package's own, with a clock that the driver moves (`clock`). The driver
(`driver`) is the scheduler at the simulated time (`ticks`) and the one who pulls plugs (`processes`), night by night
as planned (`plan`). A real daemon, code server and run workers do the rest. Then every file of the lake is compared
with what the sandbox's world says of its moment (`expected`, `proof`).
"""
