"""Sources, the decoding worker, the snapshot store and its expiry. Knows `privacy` only."""
