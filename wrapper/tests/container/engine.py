"""Build and run containers with Docker where its engine runs, else with Podman as root.

Podman here needs no registry, no systemd and no privilege to raise limits: its storage is a
directory, and the base image is made of Debian's packages.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from attrs import field, frozen

ROOT = Path(__file__).parents[3]
TAG = "localhost/wanflow-mock"
BASE = "localhost/wanflow-base"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PACKAGES = "python3,python3-venv,dash,bash,coreutils,grep,libc-bin,sed"
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
STORAGE = """
[storage]
driver = "{driver}"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""


class NoEngine(Exception):
    """Nothing here runs containers; the message says what is missing."""


@frozen
class Engine:
    """A program that takes Docker's commands, and its environment."""

    program: str
    folder: Path
    environment: dict[str, str] = field(factory=dict, repr=False)

    def run(self, *words: object, fails: bool = False, timeout: float = 300) -> str:
        """Run a command, and return its output; with `fails`, its errors as well."""
        done = subprocess.run(
            [self.program, *(str(word) for word in words)],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert (done.returncode != 0) == fails, f"{words}: {done.stdout[-2000:]}{done.stderr}"
        return (done.stdout + done.stderr if fails else done.stdout).strip()

    def inspect(self, kind: str, name: str) -> Any:
        """Return what is known of an image or container."""
        return json.loads(self.run(kind, "inspect", name))[0]

    def image_setting(self, name: str) -> Any:
        """Return a setting of the image, which Podman has beside the others or apart from them."""
        image = self.inspect("image", TAG)
        return {**image["Config"], **image}[name]

    def build(self, tag: str = TAG, extras: str = "mock") -> None:
        """Build an image with extras, on `WANFLOW_IMAGE_BASE` if it is set."""
        words = ["--build-arg", f"EXTRAS={extras}"]
        if base := os.environ.get("WANFLOW_IMAGE_BASE") or self._own_base():
            words += ["--build-arg", f"BASE={base}"]
        if self.program == "podman":
            # The format that has health checks; no layers to copy; no container inside one.
            words += ["--format=docker", "--layers=false", "--isolation=chroot", "--network=host"]
        self.run("build", *words, "-f", "container/Dockerfile", "-t", tag, ".")

    def remove(self) -> None:
        """Remove what Podman stored."""
        if self.program == "podman":
            self.run("rm", "--force", "--all", "--time=1")
            self.run("network", "prune", "--force")
            for driver in ("overlay", "vfs"):
                umount = ["umount", "--quiet", self.folder / "storage" / driver]
                subprocess.run(umount, check=False, capture_output=True)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _own_base(self) -> str:
        """Make a base of Debian's packages for Podman, and return its name."""
        if self.program != "podman":
            return ""
        archive = self.folder / "base.tar"
        hooks = []
        if CERTIFICATES.exists():
            hooks = [
                f"--extract-hook=mkdir -p $1/etc/ssl/certs; cp {CERTIFICATES} $1/etc/ssl/certs"
            ]
        release = dict(
            line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if line
        )["VERSION_CODENAME"]
        made = ["mmdebstrap", "--quiet", "--variant=extract", f"--include={PACKAGES}", *hooks]
        subprocess.run([*made, release, archive], check=True, timeout=300)
        settings = [
            f"--change=ENV {name}={CERTIFICATES}" for name in ("SSL_CERT_FILE", "PIP_CERT") if hooks
        ]
        self.run("import", *settings, archive, BASE)
        archive.unlink()
        return BASE


def find_engine(folder: Path) -> Engine:
    """Return an engine that runs here.

    Raises:
        NoEngine: there is none.
    """
    asked = ["docker", "info"]
    if (
        shutil.which("docker")
        and not subprocess.run(asked, capture_output=True, timeout=30, check=False).returncode
    ):
        return Engine("docker", folder)
    for program in ("podman", "runc", "mmdebstrap"):
        if not shutil.which(program):
            raise NoEngine(f"no Docker engine runs, and there is no {program}: run .ci/podman")
    if os.geteuid() != 0:
        raise NoEngine("no Docker engine runs, and Podman is used by root only")
    driver = "overlay" if overlays_work(folder) else "vfs"
    environment = {}
    for name, text in (("CONTAINERS", CONFIGURATION), ("CONTAINERS_STORAGE", STORAGE)):
        path = folder / f"{name.lower()}.conf"
        path.write_text(text.format(folder=folder, driver=driver))
        environment[f"{name}_CONF"] = str(path)
    return Engine("podman", folder, environment)


def overlays_work(folder: Path) -> bool:
    """Return whether layers can be mounted over each other here, rather than copied."""
    lower, upper, work, merged = (folder / "probe" / name for name in "luwm")
    for path in (lower, upper, work, merged):
        path.mkdir(parents=True)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    mount = ["mount", "-t", "overlay", "overlay", "-o", options, merged]
    works = not subprocess.run(mount, check=False, capture_output=True).returncode
    if works:
        subprocess.run(["umount", merged], check=True)
    shutil.rmtree(folder / "probe")
    return works


def wait_for(answered: Any, seconds: float = 20.0) -> float:
    """Call until the result is true; return the seconds that it took."""
    begun = monotonic()
    while not answered():
        assert monotonic() - begun < seconds, "no answer came in time"
        sleep(0.005)
    return monotonic() - begun
