"""What is wrong with this gateway, and for each finding how to mend it.

Every check is a function that yields what it found; it reads, and changes nothing. One file for each thing looked at.
"""

from agent.doctor.check import Check, Verdict
from agent.doctor.examination import Ask, examine

__all__ = ["Ask", "Check", "Verdict", "examine"]
