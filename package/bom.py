"""What is in the package: a CycloneDX bill of materials, and the licences of everything that is bundled.

An environment and the wheels that it was made from enter; JSON and text leave. The rule of this file: what a library
says of itself is passed on, with what it carries inside (PEP 770); only what it does not say is added here.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any, Final

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.license import LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from environment import site_packages
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from tools import Release

_SPDX: Final = {
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
}
_INSIDE: Final = {"pynacl": ("libsodium", "ISC"), "uvloop": ("libuv", "MIT"), "cffi": ("libffi", "MIT")}
"""C libraries that a wheel carries without saying so in a list of its own. Their versions are not told either."""
_SPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:relayd:sbom")


@dataclass(frozen=True)
class Bundled:
    """A distribution as it is installed: its ``.dist-info`` folder and what is written there."""

    folder: Path
    metadata: Message

    @property
    def name(self) -> str:
        """Return the name as everybody writes it who compares names."""
        return canonicalize_name(self.metadata["Name"])

    @property
    def version(self) -> str:
        """Return the version."""
        return str(self.metadata["Version"])

    @property
    def licence(self) -> str:
        """Return the licence as SPDX has it; LookupError where the distribution does not say it in words we know."""
        if expression := self.metadata["License-Expression"]:
            return str(expression)
        names = {_SPDX[line] for line in self.metadata.get_all("Classifier", []) if line in _SPDX}
        names |= {str(self.metadata["License"])} & set(_SPDX.values())
        if not names:
            raise LookupError(f"{self.name}: no licence that we know")
        return " OR ".join(sorted(names))

    @property
    def author(self) -> str:
        """Return who makes it, by their own words and without an address."""
        fields = ("Author", "Maintainer", "Author-email", "Maintainer-email")
        said = next((str(self.metadata[field]) for field in fields if self.metadata[field]), "")
        return ", ".join(part.partition("<")[0].strip() for part in said.split(",")).strip(", ")

    def licence_texts(self) -> Iterator[tuple[str, bytes]]:
        """Yield name and text of every licence file that came with it."""
        paths = sorted((self.folder / "licenses").rglob("*"))
        # Wheels from before PEP 639 have them beside their metadata.
        paths += [self.folder / name for name in self.metadata.get_all("License-File", [])]
        for path in paths:
            if path.is_file():
                yield path.name, path.read_bytes()

    def needs(self, present: set[str]) -> list[str]:
        """Return which of ``present`` it requires."""
        wanted = {canonicalize_name(Requirement(line).name) for line in self.metadata.get_all("Requires-Dist", [])}
        return sorted(wanted & present)

    def inside(self) -> Iterator[tuple[str, str | None, str | None]]:
        """Yield name, version and licence of what it carries inside."""
        for path in sorted((self.folder / "sboms").glob("*.json")):
            for part in json.loads(path.read_bytes()).get("components", []):
                told: list[dict[str, Any]] = part.get("licenses") or []
                expression = next((str(each["expression"]) for each in told if "expression" in each), None)
                yield part["name"], part.get("version"), expression
        if self.name in _INSIDE:
            name, spdx = _INSIDE[self.name]
            yield name, None, spdx


def bundled(tree: Path) -> list[Bundled]:
    """Return what is installed in the environment of a tree, by name."""
    folders = site_packages(tree).glob("*.dist-info")
    read = (Bundled(folder, HeaderParser().parsestr((folder / "METADATA").read_text("utf-8"))) for folder in folders)
    return sorted(read, key=lambda each: each.name)


def _component(each: Bundled, sha256: dict[str, str]) -> Component:
    licences = LicenseFactory()
    inside = [
        Component(
            type=ComponentType.LIBRARY, name=name, version=version, bom_ref=f"{each.name}/{name}@{version or '?'}",
            licenses=[licences.make_from_string(spdx)] if spdx else [],
        )
        for name, version, spdx in each.inside()
    ]  # fmt: skip
    return Component(
        type=ComponentType.LIBRARY, name=each.name, version=each.version, bom_ref=f"{each.name}@{each.version}",
        purl=PackageURL("pypi", name=each.name, version=each.version),
        licenses=[licences.make_from_string(each.licence, license_acknowledgement=LicenseAcknowledgement.DECLARED)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256[each.name])],
        supplier=OrganizationalEntity(name=each.author or each.name),
        description=str(each.metadata["Summary"]), components=inside,
    )  # fmt: skip


def bill(release: Release, tree: Path, wheels: list[Path], ours: Path) -> bytes:
    """Return the bill of materials as CycloneDX 1.6 JSON; hashes are those of the wheels that were installed."""
    sha256 = {
        str(parse_wheel_filename(wheel.name)[0]): hashlib.sha256(wheel.read_bytes()).hexdigest()
        for wheel in (*wheels, ours)
    }
    every = bundled(tree)
    components = {each.name: _component(each, sha256) for each in every}
    root = components.pop("relayd")
    root.type = ComponentType.APPLICATION
    made = Bom(components=components.values())
    made.metadata.component = root
    made.metadata.timestamp = datetime.fromtimestamp(release.date, UTC)
    made.metadata.tools.components.clear()
    made.serial_number = uuid.uuid5(_SPACE, json.dumps(sha256, sort_keys=True))
    for each in every:
        of = root if each.name == "relayd" else components[each.name]
        made.register_dependency(of, [components[name] for name in each.needs(components.keys() | set())])
    return (JsonV1Dot6(made).output_as_string(indent=2) + "\n").encode()


def copyright_page(every: list[Bundled]) -> str:
    """Return debian/copyright: our licence, and each bundled library's with where its text is."""
    parts = [
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: relayd\n",
        "Files: *\nCopyright: the relayd authors\nLicense: Apache-2.0\n See /usr/share/common-licenses/Apache-2.0.\n",
    ]
    for each in every:
        if each.name == "relayd":
            continue
        inside = sorted({" ".join(part for part in (name, version, f"({spdx})" if spdx else "") if part)
                         for name, version, spdx in each.inside()})  # fmt: skip
        carried = "".join(f" It carries {line}.\n" for line in inside)
        parts.append(
            f"Files: opt/relayd/lib/*/site-packages/{each.folder.name.partition('-')[0]}*\n"
            f"Copyright: {each.author or 'its authors'}\nLicense: {each.licence.replace(' ', '-')}\n"
            f" {each.name} {each.version}, {each.licence}. "
            f"The texts are in /usr/share/doc/relayd/licences/{each.name}/.\n{carried}"
        )
    return "\n".join(parts)
