"""What the project stands on: licences, a bill of materials (CycloneDX 1.6), known vulnerabilities.

python .ci/dependencies.py [--sbom FILE] [--offline]

Only the packages that workbench needs to run are listed (its requirements and theirs). Exit code 1 where a licence
is not known or not among those that allow what Apache-2.0 allows, or where a vulnerability is known; 3 where all
licences pass and vulnerabilities were not looked up, as pip-audit is missing, cannot reach its database, or does not
know a package. With --offline that was asked for and is no error: 0.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = "workbench"
WRONG, NOT_ASKED = 1, 3  # exit codes
SKIPPED = "could not be audited"  # pip-audit's words on a package of which its database says nothing
EXTRAS = ("demo", "mlflow", "sign")
# Licences under which a package may be used and passed on beside Apache-2.0 code.
ALLOWED = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python|MPL|Mozilla|HPND|Unlicense|Zlib|0BSD|CC0|Public Domain|NVIDIA|NumPy|CNRI)", re.I
)
REFUSED = re.compile(r"\b(AGPL|GPL|Affero|Commons Clause|NonCommercial|CC-BY-NC)\b", re.I)
EXCEPTIONS = {
    "nvidia": "NVIDIA's own licence; comes with torch on Linux and is not passed on by this project",
}


def needed(name: str = ROOT, extras: tuple[str, ...] = EXTRAS) -> dict[str, Distribution]:
    """Every installed distribution that a package needs to run, itself included, by name."""
    found: dict[str, Distribution] = {}
    waiting = [(name, extras)]
    while waiting:
        current, wanted = waiting.pop()
        key = re.sub(r"[-_.]+", "-", current).lower()
        if key in found and not wanted:
            continue
        try:
            found[key] = distribution(current)
        except PackageNotFoundError:
            continue  # of another platform
        for line in found[key].requires or ():
            requirement = Requirement(line)
            marker = requirement.marker
            applies = marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *wanted))
            if applies and re.sub(r"[-_.]+", "-", requirement.name).lower() not in found:
                waiting.append((requirement.name, tuple(requirement.extras)))
    return dict(sorted(found.items()))


def licence(package: Distribution) -> str:
    """A package's licence in a line: the SPDX expression, else its classifiers, else its own words."""
    about = package.metadata
    if expression := about.get("License-Expression"):
        return str(expression)
    named = [c.rpartition("::")[2].strip() for c in about.get_all("Classifier") or () if c.startswith("License ::")]
    own = (about.get("License") or "").strip().splitlines()
    return "; ".join(n for n in named if n != "OSI Approved") or (own[0][:80] if own else "") or "not stated"


def bill(packages: dict[str, Distribution]) -> dict[str, object]:
    """A CycloneDX bill of materials."""
    components = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name}@{package.version}",
            "name": name,
            "version": package.version,
            "purl": f"pkg:pypi/{name}@{package.version}",
            "licenses": [{"license": {"name": licence(package)}}],
        }
        for name, package in packages.items()
        if name != ROOT
    ]
    main = {"type": "application", "name": ROOT, "version": packages[ROOT].version}
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": {"component": main},
            "components": components}  # fmt: skip


def doubtful(packages: dict[str, Distribution]) -> list[str]:
    """Packages whose licence is not known to go with Apache-2.0."""
    found = []
    for name, package in packages.items():
        said = licence(package)
        if name.partition("-")[0] in EXCEPTIONS:
            continue
        chosen = re.search(r"\bOR\b", said)  # either licence may be taken
        if not ALLOWED.search(said) or (REFUSED.search(said) and not chosen):
            found.append(f"{name} {package.version}: {said}")
    return found


def vulnerabilities(packages: dict[str, Distribution]) -> int:
    """What pip-audit knows of the packages: 0 nothing, `WRONG` something, `NOT_ASKED` where it cannot be asked."""
    pinned = "\n".join(f"{n}=={p.version.partition('+')[0]}" for n, p in packages.items() if n != ROOT)
    listed = Path("build") / "audited.txt"
    listed.parent.mkdir(exist_ok=True)
    listed.write_text(pinned + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off", "-r"]
    done = subprocess.run([*command, str(listed)], capture_output=True, text=True, check=False)
    if done.returncode and "Found" not in done.stdout + done.stderr:
        last = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        print(f"Vulnerabilities were not looked up: pip-audit is missing or cannot reach its database ({last[:200]}).")
        return NOT_ASKED
    lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
    print(*(line for line in lines if SKIPPED not in line), sep="\n")
    unknown = [line.split()[0] for line in lines if SKIPPED in line]
    if unknown:
        named = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        print(
            f"{len(unknown)} of {len(packages) - 1} packages were not looked up, the database does not know: {named}."
        )
    return WRONG if done.returncode else NOT_ASKED if unknown else 0


def main() -> int:
    """Print licences and vulnerabilities, write the bill."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sbom", type=Path, help="write the bill of materials to this file")
    parser.add_argument("--offline", action="store_true", help="do not ask for vulnerabilities")
    asked = parser.parse_args()
    packages = needed()
    width = max(map(len, packages))
    print(*(f"{name:<{width}}  {p.version:<14}  {licence(p)}" for name, p in packages.items()), sep="\n")
    if asked.sbom:
        asked.sbom.parent.mkdir(parents=True, exist_ok=True)
        asked.sbom.write_text(json.dumps(bill(packages), indent=1) + "\n", encoding="utf-8")
        print(f"{asked.sbom}: {len(packages) - 1} components")
    wrong = doubtful(packages)
    if wrong:
        print("Licences to be looked at:", *wrong, sep="\n  ")
    known = 0 if asked.offline else vulnerabilities(packages)
    return WRONG if wrong else known


if __name__ == "__main__":
    sys.exit(main())
