"""The detectors that need no knowledge of the household. Each is a pattern and an exact check; each has one spelling.

A module holds what belongs together, and exports `DETECTORS`.
"""

from privacy.redaction.detectors import contact, credentials, network, numbers, positions
from privacy.redaction.engine import Detector

DETECTORS: tuple[Detector, ...] = (
    *credentials.DETECTORS,
    *numbers.DETECTORS,
    *contact.DETECTORS,
    *network.DETECTORS,
    *positions.DETECTORS,
)
