"""Prosody and ejabberd: XMPP with stream management (XEP-0198); accounts are registered in band (XEP-0077)."""

import base64
from typing import ClassVar

from erlang import ErlangPeer
from peer import Peer, Refused, Wire, dialled

HOST = "peer.example"
_STREAM = (
    f"<stream:stream to='{HOST}' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
)
_PASSWORD = "of-a-benchmark"
_FEATURES = b"</stream:features>"


class XmppPeer(Peer):
    """What both servers have in common. A ciphertext is four thirds as long: only text passes."""

    wire: ClassVar[str] = "xmpp"
    payload_factor: ClassVar[float] = 4 / 3
    share: ClassVar[float] = 0.1

    def prepare(self, people: int) -> None:
        """Register senders and recipients; the names are the same in all cases."""
        wire = self._stream()
        for name in (f"{letter}{number}" for letter in "su" for number in range(people)):
            asked = f"<username>{name}</username><password>{_PASSWORD}</password>"
            query = f"<query xmlns='jabber:iq:register'>{asked}</query>"
            self._say(wire, f"<iq type='set' id='r' to='{HOST}'>{query}</iq>")
            said = wire.until(b"/>", b"</iq>")
            if b"result" not in said:
                raise Refused(said.decode(errors="replace"))
        wire.socket.close()

    def names(self, count: int) -> list[str]:
        """See Peer."""
        return [f"u{number}" for number in range(count)]

    def _say(self, wire: Wire, text: str) -> None:
        wire.socket.sendall(text.encode())

    def _stream(self) -> Wire:
        wire = dialled(self.port)
        self._say(wire, _STREAM)
        wire.until(_FEATURES)
        return wire

    def _session(self, name: str, resource: str) -> Wire:
        wire = self._stream()
        login = base64.b64encode(f"\0{name}\0{_PASSWORD}".encode()).decode()
        self._say(wire, f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{login}</auth>")
        if b"<success" not in (said := wire.until(b"/>", b"</failure>", b"</success>")):
            raise Refused(said.decode(errors="replace"))
        self._say(wire, _STREAM)
        wire.until(_FEATURES)
        bind = f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind>"
        self._say(wire, f"<iq type='set' id='b'>{bind}</iq>")
        wire.until(b"</iq>")
        self._say(wire, "<enable xmlns='urn:xmpp:sm:3'/>")
        if b"<enabled" not in (said := wire.until(b"/>")):
            raise Refused(said.decode(errors="replace"))
        return wire

    def sender(self, name: str) -> Wire:
        """See Peer."""
        wire = self._session(name.replace("u", "s"), "device")
        wire.key = f"{name}@{HOST}".encode()
        return wire

    def receiver(self, name: str, *, waits: bool = False) -> Wire:
        """See Peer. What waits comes with the first presence."""
        wire = self._session(name, "device")
        if waits:
            wire.hello = b"<presence/>"
        else:
            self._say(wire, "<presence/>")
            wire.until(b"</presence>", b"/>")
            wire.taken = 1
        return wire

    def absent(self, name: str) -> None:
        """Nothing: what comes for an account that is away is kept."""


class Prosody(XmppPeer):
    """Its own storage, files, as it comes."""

    name: ClassVar[str] = "Prosody, internal storage"
    package: ClassVar[str] = "prosody"
    durability: ClassVar[str] = "online: memory; offline: appended to a file, not synced"

    def command(self) -> list[str]:
        """Write the configuration, and the start script with the paths of where it was unpacked."""
        source = self.root / "usr/lib/prosody"
        modules = ("disco", "roster", "saslauth", "smacks", "register_ibr", "offline")
        (self.state / "prosody.cfg.lua").write_text(
            f'pidfile = "{self.state}/pid"\ndata_path = "{self.state}/data"\nrun_as_root = true\n'
            f"modules_enabled = {{ {', '.join(f'{name!r}' for name in modules)} }}\n"
            'modules_disabled = { "s2s" }\nauthentication = "internal_plain"\nstorage = "internal"\n'
            "allow_registration = true\nc2s_require_encryption = false\nallow_unencrypted_plain_auth = true\n"
            f'c2s_ports = {{ {self.port} }}\nc2s_interfaces = {{ "127.0.0.1" }}\n'
            'log = { warn = "*console" }\nsmacks_max_unacked_stanzas = 0\nsmacks_max_queue_size = 2000\n'
            f'VirtualHost "{HOST}"\n'
        )
        (self.state / "data").mkdir()
        script = (self.root / "usr/bin/prosody").read_text().replace("/usr/lib/prosody", str(source))
        (self.state / "prosody").write_text(script)
        program = self.root / "usr/bin/lua5.4"
        return [str(program), str(self.state / "prosody"), "-F", "--config", str(self.state / "prosody.cfg.lua")]

    def environment(self) -> dict[str, str]:
        """See Peer."""
        [native] = (self.root / "usr/lib").glob("*-linux-gnu*/lua/5.4")
        shared = self.root / "usr/share/lua/5.4"
        return {"LUA_PATH": f"{shared}/?.lua;{shared}/?/init.lua", "LUA_CPATH": f"{native}/?.so"}


class Ejabberd(XmppPeer, ErlangPeer):
    """Mnesia for what waits, as it comes."""

    name: ClassVar[str] = "ejabberd, mnesia"
    package: ClassVar[str] = "ejabberd"
    durability: ClassVar[str] = "online: memory; offline: a dets file, hardly ever synced"

    def command(self) -> list[str]:
        """See Peer."""
        (self.state / "data").mkdir()
        path = self.state / "ejabberd.yml"
        path.write_text(
            f'hosts: ["{HOST}"]\nloglevel: error\nauth_method: internal\nregistration_timeout: infinity\n'
            "certfiles: []\nlisten:\n"
            f'  - {{port: {self.port}, ip: "127.0.0.1", module: ejabberd_c2s, max_stanza_size: 262144, shaper: none,'
            " access: all, starttls: false}\n"
            "modules:\n  mod_roster: {}\n  mod_disco: {}\n  mod_stream_mgmt: {max_ack_queue: infinity}\n"
            "  mod_register: {access: all, ip_access: all, password_strength: 0}\n"
            "  mod_offline: {access_max_user_messages: waiting}\n"
            "shaper_rules:\n  waiting: infinity\n"
        )
        [library] = (self.root / "usr/lib").glob("*-linux-gnu*/ejabberd-*.*+*")
        return [
            str(self.programs / "erlexec"), "-noinput", "+K", "true", "+P", "250000", "-pa", str(library / "ebin"),
            "-mnesia", "dir", f'"{self.state}/data"', "-s", "ejabberd",
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        """See Peer."""
        libraries = sorted((self.root / "usr/lib").glob("*-linux-gnu*"))
        return super().environment() | {
            "EJABBERD_CONFIG_PATH": f"{self.state}/ejabberd.yml", "EJABBERD_LOG_PATH": f"{self.state}/log",
            "ERL_LIBS": ":".join(map(str, libraries)), "ERL_MAX_PORTS": "32000",
        }  # fmt: skip
