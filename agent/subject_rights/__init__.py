"""The rights of the person over what is kept of them: export, restriction, objection."""
