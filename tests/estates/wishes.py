"""What may be declared for a host, as values that hypothesis draws and that print themselves as YAML.

Networks are coherent by construction (range, exclusions, reservations and guests lie where they belong), so that few are refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

SERVERS = ("server-2019", "server-2022")
CLIENT = "client-11"
DEFAULT = "Default Switch"
NAMES = ("eflow", "Line 7", "büro")
CARDS = ("LAN", "Spare")  # network cards beside the one that carries the session

_FILES = r"identityCertPath: 'C:\certs\d.pem', identityPrivKeyPath: 'C:\certs\d.key'"
_SYMMETRIC = "provisioningType: DpsSymmetricKey, scopeId: 0ne00A1B2C3, registrationId: edge-01, symmKey"
IDENTITIES = {
    "one key": f"{_SYMMETRIC}: {{env: KEY_ONE}}",
    "another key": f"{_SYMMETRIC}: {{env: KEY_TWO}}",
    "TPM": "provisioningType: DpsTPM, scopeId: 0ne00A1B2C3",
    "X.509": f"provisioningType: DpsX509, scopeId: 0ne00A1B2C3, {_FILES}",
    "X.509 by hand": f"provisioningType: ManualX509, iotHubHostname: hub.example.net, deviceId: d1, {_FILES}",
    "connection string": "provisioningType: ManualConnectionString, devConnString: {env: CONNECTION}",
}


@dataclass(frozen=True)
class Network:
    """A switch with an address, and what stands on it. `third` is the third octet of 172.20.x.0."""

    name: str
    third: int
    nat: bool = False
    ports: tuple[int, ...] = ()
    leases: bool = False
    end: int = 200
    dns: int = 1
    days: int = 8
    excluded: bool = False
    kept: int | None = None

    @property
    def prefix(self) -> str:
        return f"172.20.{self.third}"

    def lines(self) -> list[str]:
        name = self.name
        found = [f"VirtualSwitch/{name}: {{switchType: Internal, ipAddress: {self.prefix}.1/24}}"]
        if self.nat:
            ports = ", ".join(
                f"p{port}: {{protocol: TCP, externalPort: {port}, internalPort: 80, internalIPAddress: {self.prefix}.{port % 50 + 5}}}" for port in self.ports
            )
            found.append(f"NatNetwork/{name}: {{switchName: {name}" + (f", staticMappings: {{{ports}}}}}" if ports else "}"))
        if self.leases:
            found.append(self._scope())
        return found

    def _scope(self) -> str:
        servers = ", ".join(f"10.0.0.{n}" for n in range(1, self.dns + 1))
        more = f", exclusions: {{gap: {{startRange: {self.prefix}.120, endRange: {self.prefix}.129}}}}" if self.excluded else ""
        if self.kept is not None:
            more += f", reservations: {{plc: {{clientId: 00-15-5D-01-02-03, ipAddress: {self.prefix}.{self.kept}}}}}"
        ends = f"startRange: {self.prefix}.100, endRange: {self.prefix}.{self.end}"
        return f"DhcpScope/{self.name}: {{switchName: {self.name}, {ends}, dnsServer: [{servers}], leaseDuration: {self.days}d{more}}}"


@dataclass(frozen=True)
class Uplink:
    """An External switch. `shared`: the host stays on it."""

    card: str
    shared: bool

    def lines(self) -> list[str]:
        return [f"VirtualSwitch/ot: {{switchType: External, netAdapterName: {self.card}, allowManagementOS: {str(self.shared).lower()}}}"]


@dataclass(frozen=True)
class Guest:
    """The EFLOW VM. `identity` is how it is provisioned (of IDENTITIES), or None."""

    on: str
    static: str = ""  # its network's first three octets, or empty: it leases
    cpus: int = 1
    memory: int = 2048
    data: int | None = None
    tpm: bool | None = None
    telemetry: str | None = None
    dns: bool = False
    off: bool = False
    identity: str | None = None

    def lines(self) -> list[str]:
        given = {"vswitchName": self.on, "cpuCount": self.cpus, "memoryInMB": self.memory, "vmDataSize": self.data, "acceptOptionalTelemetry": self.telemetry}
        tpm = True if self.identity == "TPM" else self.tpm
        given |= {"dpsTpm": None if tpm is None else str(tpm).lower(), "powerState": "Off" if self.off else None}
        if self.static:
            given |= {"ip4Address": f"{self.static}.40"}
        if self.static or self.dns:
            given |= {"dnsServers": "[10.0.0.1]"}
        if self.identity:
            given["provisioning"] = f"{{{IDENTITIES[self.identity]}}}"
        fixed = [
            "EflowVm:",
            "  product: 1.5 LTS",
            '  version: ">=1.5.3.12025"',
            f'  installer: {{url: "https://files.example.net/eflow.msi", sha256: {"ab" * 32}, version: 1.5.3.12025}}',
            "  acceptEula: Yes",
        ]
        return [*fixed, *(f"  {name}: {value}" for name, value in given.items() if value is not None)]


@dataclass(frozen=True)
class Wish:
    """All that is declared for the host."""

    sku: str
    networks: tuple[Network, ...] = ()
    guest: Guest | None = None
    uplink: Uplink | None = None
    slip: bool = False  # a port that leads out of its NAT: rules refuse it

    @property
    def server(self) -> bool:
        return self.sku.startswith("server")

    @property
    def leasing(self) -> bool:
        return any(network.leases for network in self.networks)

    def text(self) -> str:
        lines = ["WindowsFeature/Hyper-V: {}"]
        if self.leasing:
            lines += ["WindowsFeature/DHCP: {}", "DhcpServer: {}"]
        for network in self.networks:
            lines += network.lines()
        if self.uplink:
            lines += self.uplink.lines()
        if self.guest:
            lines += self.guest.lines()
        text = "\n".join(lines)
        return text.replace(f"internalIPAddress: {self.networks[0].prefix}.", "internalIPAddress: 10.1.1.") if self.slip and self.networks else text

    def network(self, name: str) -> Network | None:
        return next((one for one in self.networks if one.name == name), None)


# -- strategies


def networks(name: str, third: int, server: bool) -> st.SearchStrategy[Network]:
    ports = st.lists(st.sampled_from((80, 443, 4840, 8883)), unique=True, max_size=3).map(lambda found: tuple(sorted(found)))
    return st.builds(
        Network,
        st.just(name),
        st.just(third),
        nat=st.booleans(),
        ports=ports,
        leases=st.booleans() if server else st.just(False),
        end=st.sampled_from((200, 220)),
        dns=st.integers(1, 2),
        days=st.sampled_from((1, 8)),
        excluded=st.booleans(),
        kept=st.sampled_from((None, 110, 111)),
    )


@st.composite
def wishes(draw: st.DrawFn, sku: str, guest: bool | None = None, least: int = 0) -> Wish:
    """A coherent declaration; `guest` says whether there has to be an EFLOW VM, `least` how many networks."""
    server = sku != CLIENT
    guest = draw(st.booleans()) if guest is None else guest
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=max(least, int(server and guest)), max_size=2))
    found = [draw(networks(name, 10 + 10 * n, server)) for n, name in enumerate(names)]
    one_nat = next((n for n, network in enumerate(found) if network.nat), None)
    found = [replace(network, nat=n == one_nat, ports=network.ports if n == one_nat else ()) for n, network in enumerate(found)]
    vm = draw(guests(found, server)) if guest else None
    if vm is not None and server and not vm.static:
        found[0] = replace(found[0], leases=True)
    uplink = draw(st.one_of(st.none(), st.builds(Uplink, st.sampled_from(CARDS), st.booleans())))
    return Wish(sku, tuple(found), vm, uplink, slip=one_nat == 0 and bool(found[0].ports) and draw(st.integers(0, 4)) == 3)


@st.composite
def guests(draw: st.DrawFn, found: list[Network], server: bool) -> Guest:
    static = server and bool(found) and draw(st.booleans())
    identity = draw(st.sampled_from((None, *IDENTITIES)))
    return Guest(
        found[0].name if server and found else DEFAULT,
        static=found[0].prefix if static else "",
        cpus=draw(st.integers(1, 2)),
        memory=draw(st.sampled_from((1024, 2048, 4096))),
        data=draw(st.sampled_from((None, 12, 20))),
        tpm=draw(st.sampled_from((None, True))),
        telemetry=draw(st.sampled_from((None, "Yes", "No"))),
        dns=draw(st.booleans()),
        off=identity is None and draw(st.booleans()),
        identity=identity,
    )


@st.composite
def edited(draw: st.DrawFn, wish: Wish) -> Wish:
    """The declaration some commits later: a little different, or not at all."""
    for _ in range(draw(st.integers(0, 2))):
        wish = draw(st.sampled_from((_ports, _range, _days, _moved, _fewer, _sized, _identity, _uplink)))(wish)
    return replace(wish, guest=replace(wish.guest, off=False) if wish.guest and wish.guest.identity else wish.guest)


def _first(wish: Wish, network: Network) -> Wish:
    guest = replace(wish.guest, static=network.prefix) if wish.guest and wish.guest.static else wish.guest
    return replace(wish, networks=(network, *wish.networks[1:]), guest=guest)


def _ports(wish: Wish) -> Wish:
    nat = next((one for one in wish.networks if one.nat), None)
    if nat is None:
        return wish
    changed = replace(nat, ports=(443, 1883) if 443 not in nat.ports else (4840,))
    return replace(wish, networks=tuple(changed if one is nat else one for one in wish.networks), slip=False)


def _range(wish: Wish) -> Wish:
    return _first(wish, replace(wish.networks[0], end=210, excluded=not wish.networks[0].excluded)) if wish.networks else wish


def _days(wish: Wish) -> Wish:
    return _first(wish, replace(wish.networks[0], days=3, dns=2)) if wish.networks else wish


def _moved(wish: Wish) -> Wish:
    """Another subnet: NAT and scope are replaced, a static guest is too."""
    return _first(wish, replace(wish.networks[0], third=77)) if wish.networks else wish


def _fewer(wish: Wish) -> Wish:
    """Less is declared: what is on record is taken away."""
    if wish.guest and not wish.networks:
        return replace(wish, guest=None)
    return replace(wish, networks=wish.networks[: 1 if wish.guest and wish.server else -1] if wish.networks else ())


def _sized(wish: Wish) -> Wish:
    return replace(wish, guest=replace(wish.guest, cpus=3 - wish.guest.cpus, memory=2048, tpm=True)) if wish.guest else wish


def _identity(wish: Wish) -> Wish:
    """Provisioned another way: the next one that is known."""
    if wish.guest is None or wish.guest.identity is None:
        return wish
    known = tuple(IDENTITIES)
    following = known[(known.index(wish.guest.identity) + 1) % len(known)]
    return replace(wish, guest=replace(wish.guest, identity=following))


def _uplink(wish: Wish) -> Wish:
    """On the other card, with the host on it or off it the other way round; without one, there is one now."""
    if wish.uplink is None:
        return replace(wish, uplink=Uplink(CARDS[0], True))
    return replace(wish, uplink=Uplink(CARDS[1 - CARDS.index(wish.uplink.card)], not wish.uplink.shared))
