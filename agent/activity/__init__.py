"""Who did, changed or looked at what: noted before it is shown, and readable by whom it concerns."""
