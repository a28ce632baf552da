"""What signing in costs whoever does not sign in: the start of the agent does not wait for its libraries."""

import subprocess
import sys

HEAVY = {"argon2", "cbor2", "pyotp", "webauthn", "zxcvbn"}
PARTS = ("brake", "ceremonies", "codes", "credentials", "passkeys", "passwords", "recovery_codes", "second_factor")


def test_the_libraries_are_loaded_by_who_needs_them() -> None:
    imports = "; ".join(f"import agent.signin.{part}" for part in PARTS)
    done = subprocess.run(
        [sys.executable, "-c", f"{imports}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert HEAVY.isdisjoint(done.stdout.split())
