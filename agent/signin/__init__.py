"""Signing in: who somebody is, how they show it, and for how long it is believed."""
