"""Where the root of all keys lives: two slots, in a TPM, in battery-backed memory, or in a file or partition."""
