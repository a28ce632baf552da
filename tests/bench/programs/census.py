"""Run the agent until it is ended, then print the third-party modules that it has loaded by then, as a JSON list.

python census.py CONFIG
"""

import json
import sys
import sysconfig

from agent.cli import main

sys.argv = ["portvakt", "run", "--config", sys.argv[1]]
try:
    main()
except SystemExit as end:
    if end.code:
        raise
libraries = sysconfig.get_path("purelib")
names = [
    name for name, module in sys.modules.items() if (getattr(module, "__file__", None) or "").startswith(libraries)
]
sys.stdout.write(json.dumps(names))
