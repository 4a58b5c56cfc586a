"""Keys and the one home of cryptography: sealed objects, signing, the key service's client.

`service` and `providers` belong to the key service's own process.
"""

from cloister.keys.client import KeyClient

__all__ = ["KeyClient"]
