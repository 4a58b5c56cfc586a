"""Whether two outputs say the same within a tolerance: a reader for each format.

Pure functions over bytes that nobody vouches for: they run inside a fence
(``python -m cloister.runs.compare``), read numbers only, and never execute what they read.
"""

from cloister.runs.compare.finding import Finding, decode, encode

__all__ = ["Finding", "decode", "encode"]
