"""A second listener of a broker, the door, where clients show who they are: TLS, SASL or both."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from tests.servers.certificates import Certificates

_PLAIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required"
_SCRAM_NAMES: Final = ("SCRAM-SHA-256", "SCRAM-SHA-512")


class Door(Struct, frozen=True):
    """How clients come in at the door: `protocol` is Kafka's word in capitals, such as SASL_SSL; none if empty.

    All users may come by PLAIN and by both kinds of SCRAM. With `client_certificates` a client without one of the
    same authority is turned away.
    """

    protocol: str = ""
    users: Mapping[str, str] = {}
    certificates: Certificates | None = None
    client_certificates: bool = False

    def properties(self) -> dict[str, str]:
        """What the broker is told."""
        if not self.protocol:
            return {}
        chosen = self._sasl() if "SASL" in self.protocol else {}
        if self.certificates is not None:
            chosen |= self._tls(self.certificates)
        return {f"listener.name.door.{name}": value for name, value in chosen.items()}

    def scram(self) -> list[str]:
        """The users as the tool wants them that formats a broker's storage."""
        return [f"{kind}=[name={name},password={word}]" for name, word in self.users.items() for kind in _SCRAM_NAMES]

    def _sasl(self) -> dict[str, str]:
        users = " ".join(f'user_{name}="{word}"' for name, word in self.users.items())
        return {
            "sasl.enabled.mechanisms": ",".join(("PLAIN", *_SCRAM_NAMES)),
            "plain.sasl.jaas.config": f"{_PLAIN} {users};",
            **{f"{kind.lower()}.sasl.jaas.config": f"{_SCRAM};" for kind in _SCRAM_NAMES},
        }

    def _tls(self, certificates: Certificates) -> dict[str, str]:
        store = certificates.certificate.with_suffix(".store")
        store.write_bytes(certificates.key.read_bytes() + certificates.certificate.read_bytes())
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(store),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(certificates.authority),
            "ssl.client.auth": "required" if self.client_certificates else "none",
        }


NO_DOOR: Final = Door()
