"""HomeKit accessories as devices (HomeKit Accessory Protocol R2 over IP), by aiohomekit's protocol parts.

Layers: connection (bytes, sessions) | pairing (who is who) | messages (capabilities) | accessory (record, reaching
it) | driver (adopt, line, forget).
Import this package only when a house has such devices, or adopts one: the library costs 0.1 s and 3 MB. Its
controller is left out on purpose: it reconnects by itself, and needs a browser of its own; so the library's
Bluetooth half is never loaded either.
"""
