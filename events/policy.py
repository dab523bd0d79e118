"""The policy of the books: the choices no standard makes, named, versioned and hashed."""

from hashlib import sha256

import msgspec
from msgspec.structs import fields


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The choices that are in force; those left at their default are not part of the hash."""

    name: str = "default"
    version: int = 1
    zone: str = "UTC"

    @property
    def stamp(self) -> str:
        """What every figure carries: name, version and the first 8 hexadecimal digits of the hash."""
        chosen = {
            field.encode_name: value for field in fields(self) if (value := getattr(self, field.name)) != field.default
        }
        return f"{self.name}@{self.version}:{sha256(msgspec.json.encode(chosen)).hexdigest()[:8]}"
