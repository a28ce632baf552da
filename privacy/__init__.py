"""Orders, erasure, receipts, sealing, redaction, retention. Knows no other package of this project."""
