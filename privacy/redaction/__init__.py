"""What may leave of the operation log: the allow-list of field classes first, then detectors over what is kept.

entry or foreign line → allow-list (`redactor`) → shadow (`shadow`) → detectors and the household's own values
(`detectors/`, `household`) → pseudonyms (`pseudonyms`) → `RedactedLine` (`line`).

A new detector is one function and one line in `detectors/__init__.py`.
"""
