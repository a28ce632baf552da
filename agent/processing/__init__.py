"""What the law asks to have on record: what is processed, by agreement with whom, and what was disclosed."""
