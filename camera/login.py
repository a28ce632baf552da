"""A camera's user name and password, and nothing that would show the password."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Login:
    """What a camera asks for.

    Raises:
        ValueError: the user name holds a colon; Basic and Digest cannot carry it (RFC 7617, 2; RFC 7616, 3.4.4).
    """

    user: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if ":" in self.user:
            raise ValueError("a camera's user name cannot hold a colon")
