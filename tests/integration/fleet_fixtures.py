# Copyright (c) steady.rollback developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many hosts behind real SSH: each is an sshd on a loopback address of its own, with a product's home and a service.

All of them share one supervisord, which knows them by the names of their programs. Nothing here needs a container.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.steady.rollback.plugins.module_utils.release import switch
from ansible_collections.steady.rollback.plugins.module_utils.service import processes
from integration.queue_fixtures import wait_for
from integration.release_fixtures import Product
from integration.service_fixtures import Daemon, free_ports
from sandbox import supervisor_rpc

REPO = Path(__file__).resolve().parents[2]
# The service does nothing but stand in the release that was current when it started.
SERVICE = '/bin/sh -c "cd {home}/current && exec /bin/sh ./serve"'
SERVE = "exec sleep 1000000\n"
SSHD = """Port {port}
ListenAddress {address}
HostKey {root}/key
AuthorizedKeysFile {root}/key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
MaxStartups 100
"""
SSH = "-F /dev/null -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"


class Hosts:
    """``count`` hosts h1, h2 and so on, each with an address of its own."""

    def __init__(self, root: Path, count: int) -> None:
        self.root = root
        self.addresses = {f"h{number}": f"127.0.1.{number}" for number in range(1, count + 1)}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        (self.port,) = free_ports(1)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(root / "key")], check=True)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where a privileged sshd locks its children in
        for name, address in self.addresses.items():
            (root / f"{name}.sshd").write_text(SSHD.format(port=self.port, address=address, root=root))
            self.boot(name)
        for name in self.addresses:
            self.is_up(name)

    def inventory(self) -> dict[str, dict[str, str]]:
        """The variables of each host."""
        return {name: {"ansible_host": address} for name, address in self.addresses.items()}

    def variables(self) -> dict[str, Any]:
        """The variables of all hosts."""
        return {
            "ansible_port": self.port,
            "ansible_ssh_private_key_file": str(self.root / "key"),
            "ansible_ssh_common_args": SSH,
            "ansible_python_interpreter": sys.executable,
        }

    def boot(self, name: str) -> None:
        """Have a host listen."""
        with (self.root / f"{name}.log").open("wb") as log:
            argv = ["/usr/sbin/sshd", "-D", "-e", "-f", str(self.root / f"{name}.sshd")]
            self.running[name] = subprocess.Popen(argv, stderr=log, start_new_session=True)

    def is_up(self, name: str) -> None:
        """Wait until a host listens."""
        wait_for(lambda: b"listening" in (self.root / f"{name}.log").read_bytes())

    def cut_off(self, name: str) -> None:
        """Nobody reaches this host any more: neither anew nor over a connection that is kept open."""
        host = self.running[name]
        for process in {host.pid, *(one.pid for one in processes.of_leader(host.pid))}:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        host.wait()

    def stop(self) -> None:
        """End them all."""
        for name in self.running:
            self.cut_off(name)


class Fleet:
    """``count`` hosts, each with the releases v1 and v2; v2 is live."""

    def __init__(self, root: Path, count: int) -> None:
        self.root, self.product = root, Product(root)
        self.product.options = {"lock": "", "build_commands": [], "check_commands": []}
        self.commits = {tag: self.product.release(tag, serve=SERVE) for tag in ("v1", "v2")}
        for tag in self.commits:
            self.product.deploy(tag)
        names = [f"h{number}" for number in range(1, count + 1)]
        for name in names:
            shutil.copytree(self.product.directory, self.home(name), symlinks=True)
            switch.point(self.product.builder(home=str(self.home(name))).home, str(self.release(name, "v2")))
        with ExitStack() as ending:
            self.daemon = Daemon(root, {f"{name}-app": SERVICE.format(home=self.home(name)) for name in names})
            ending.callback(self.daemon.stop)
            self.hosts = Hosts(root, count)
            ending.callback(self.hosts.stop)
            _ask(self.daemon, "startAllProcesses")
            (root / "inventory.yml").write_text(yaml.safe_dump(self._inventory()))
            self.stop = ending.pop_all().close

    def home(self, name: str) -> Path:
        """The product's home on a host."""
        return self.root / name

    def release(self, name: str, tag: str) -> Path:
        """Where a release lies on a host."""
        return self.home(name) / "releases" / self.commits[tag][:12]

    def _inventory(self) -> dict[str, Any]:
        hosts = self.hosts.inventory()
        group = {"hosts": {name: {} for name in hosts}}
        variables = {
            **self.hosts.variables(),
            "rollback_environment": "fleet",
            "rollback_dir": str(self.root / "anchor"),
            "release_home": f"{self.root}/{{{{ inventory_hostname }}}}",
            "release_repository": str(self.product.origin),
            "release_lock": "",
            "service_provider": "supervisor",
            "service_socket": str(self.daemon.socket),
            "service_units": [{"name": "{{ inventory_hostname }}-app"}],
        }
        children = {"anchor": {"hosts": {"h1": {}}}, "rollback_release": group, "rollback_service": group}
        return {"all": {"hosts": hosts, "vars": variables, "children": children}}

    def play(self, book: str, rc: int = 0, /, settings: dict[str, str] | None = None, **variables: str) -> str:
        """Type a command as an operator does; it has to end with ``rc``."""
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), f"-i{self.root / 'inventory.yml'}", book]
        env = {**os.environ, "ANSIBLE_CONFIG": str(REPO / "ansible.cfg"), "ANSIBLE_HOME": str(self.root / "ansible")}
        done = subprocess.run(
            [*argv, "-e", json.dumps(variables)], cwd=REPO, env={**env, **(settings or {})}, check=False, timeout=900,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.returncode == rc, done.stdout
        return done.stdout

    def live(self) -> dict[str, tuple[str, str]]:
        """(the tag that ``current`` leads to, the tag that the service runs in or its state) of every host."""
        tags = {commit[:12]: tag for tag, commit in self.commits.items()}
        found = {}
        for state in _ask(self.daemon, "getAllProcessInfo"):
            name = state["name"].partition("-")[0]
            running = Path(f"/proc/{state['pid']}/cwd").resolve().name if state["pid"] else state["statename"]
            found[name] = (tags[(self.home(name) / "current").resolve().name], tags.get(running, running))
        return {name: found[name] for name in self.hosts.addresses}


def _ask(daemon: Daemon, method: str) -> Any:
    return getattr(supervisor_rpc.connect(daemon.socket), method)()
