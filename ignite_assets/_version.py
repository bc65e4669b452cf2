"""The installed version: in a module of its own, so that nothing below imports the package's front door."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("ignite_assets")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0.0.0"
