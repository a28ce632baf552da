"""The floor of a start: import what the agent imports of others, say READY, do nothing more.

python bare_imports.py FILE     a JSON list of modules, in the order in which to import them
"""

import contextlib
import importlib
import json
import os
import signal
import socket
import sys
from pathlib import Path

for name in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
    # Some are made by others while those are loaded, and cannot be asked for by name.
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
    sender.sendto(b"READY=1\nSTATUS=", os.environ["NOTIFY_SOCKET"])
signal.pause()
