"""Who may do what: one table, one function. See `table.toml` and `decision.decide`."""
