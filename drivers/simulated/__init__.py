"""The demo's devices: programs of their own on the other end of a real line, that also run by hand."""
