"""The house on the LAN: a name, a certificate that phones trust, and the sockets."""
