"""Modbus RTU on a serial port, in layers: `transport` (the port; framing is pymodbus'), `messages`, `driver`.

What a unit's registers mean stands in a register map: `maps/*.toml`, read by `registers`.
Modbus Application Protocol Specification V1.1b3; Modbus over Serial Line V1.02.
"""
