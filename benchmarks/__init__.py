"""The benchmark of `ignite_assets`: its costs beside the least there could be, and beside what else one would use.

`python -m benchmarks` runs it; README.md says how it measures.
"""
