"""The decoding worker: a process of its own that turns a camera's bytes into a picture, and can do nothing else."""
