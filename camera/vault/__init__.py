"""The snapshot vault: sealed pictures in segments that die with their keys. Bytes: `privacy/FORMAT.md`, "Pictures"."""
