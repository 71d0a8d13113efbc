"""Ask the Python Package Index for known vulnerabilities of what is installed (`make audit`).

Licences of what the package needs are checked by a test, without a network.
"""

import json
import subprocess
import sys

ASK = ["-m", "pip_audit", "--local", "--skip-editable", "--progress-spinner", "off", "-f", "json"]
OWN = "tsniqa"


def findings(printed: str, errors: str) -> list[str]:
    """Return what is wrong, a line each, from what pip-audit printed.

    A package that the database says nothing of is not taken as sound.
    """
    try:
        packages = json.loads(printed)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = (errors.strip().splitlines() or ["no answer"])[-1]
        return [f"the vulnerability database cannot be reached ({reason})"]
    unknown = [one["name"] for one in packages if "skip_reason" in one and one["name"] != OWN]
    if unknown:
        which = f"{len(unknown)} of {len(packages)} packages, {unknown[0]} among them"
        return [f"the vulnerability database says nothing of {which}; nothing is known of those"]
    return [
        f"{one['name']} {one['version']}: {fault['id']}, mended in "
        f"{', '.join(fault['fix_versions']) or 'no version yet'}"
        for one in packages
        for fault in one.get("vulns", [])
    ]


if __name__ == "__main__":
    asked = subprocess.run([sys.executable, *ASK], capture_output=True, text=True)
    found = findings(asked.stdout, asked.stderr)
    sys.exit("\n".join(f"audit: {line}" for line in found) or print("audit: nothing known"))
