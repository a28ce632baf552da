"""Support access: let in by the customer for a time, seen while it lasts, accounted for afterwards."""
