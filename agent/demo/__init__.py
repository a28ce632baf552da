"""`portvakt demo`: the whole house on one machine, with simulated devices that are programs of their own."""

from agent.demo.run import main

__all__ = ["main"]
