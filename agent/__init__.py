"""The gateway agent: everything that knows about everything else."""
