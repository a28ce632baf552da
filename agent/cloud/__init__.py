"""The gateway's end of the cloud contract: orders come in; receipts and redacted log lines go out."""
