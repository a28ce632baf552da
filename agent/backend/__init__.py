"""The other end of the cloud contract, in reference size: issues orders, verifies receipts, follows a fleet.

Its state is a folder of files that a person can read; a fleet of any size wants a database behind the same steps.
"""
