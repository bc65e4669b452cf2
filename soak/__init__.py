"""A soak: weeks of simulated nights with faults, regressions, kills, midnights and clock jumps, and a proof at the end.

    python -m soak --days 60

The code location (`definitions`) is the package's own, with a clock that the driver moves (`clock`). The driver
(`driver`) is the scheduler at the simulated time (`ticks`) and the one who pulls plugs (`processes`), night by night
as planned (`plan`). A real daemon, code server and run workers do the rest, and some nights our own command
(`command`). What is exported is compared with the sandbox's world at once (`exporting`); every file of the lake in the
end, with what the world says of its moment (`expected`, `proof`).
"""
