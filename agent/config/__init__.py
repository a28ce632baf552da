"""The configuration: one TOML file, its classes, its schema, and everything that can be wrong with it."""

from agent.config.loading import check, load
from agent.config.model import Camera, Cloud, Config, SerialPort, SerialUnit
from agent.config.problems import Problem, report
from agent.config.schema import schema
from agent.config.secret import read_secret
from agent.errors import ConfigInvalid

__all__ = [
    "Camera",
    "Cloud",
    "Config",
    "ConfigInvalid",
    "Problem",
    "SerialPort",
    "SerialUnit",
    "check",
    "load",
    "read_secret",
    "report",
    "schema",
]
