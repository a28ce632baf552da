"""The device model, the driver contract, discovery, and one folder a protocol. Knows no other package."""
