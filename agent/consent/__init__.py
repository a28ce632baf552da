"""Consent in the running house: the gates that whoever collects passes, and the desk where people give and withdraw."""
