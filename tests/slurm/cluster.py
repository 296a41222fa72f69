"""A real SLURM on this machine alone: munged, slurmctld and slurmd from Debian's packages.

One node, whose daemons run in the foreground as children of this process: it listens on loopback,
keeps all its files in one folder and dies with its parent. CPUs and GPUs are counters that the
scheduler hands out, so there may be more of them than the machine has. There is no accounting.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo", "sacct", "sacctmgr")
# Files that stand for GPUs. SLURM wants a device file for each, or it sets no CUDA_VISIBLE_DEVICES;
# without cgroups it never touches them.
DEVICES = ("/dev/null", "/dev/zero", "/dev/full")
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_LONGEST_FOLDER = 72  # of a path with UNIX sockets below it, which may have 108 characters
_SEARCHED = ("/usr/lib/*/slurm-wlm", "/usr/lib/*/slurm", "/usr/lib64/slurm")

# Snakemake asks less and less often while no job ends. So that tests do not wait for that, a query
# of its kind is answered when one more job of its run has ended, none is left, or 40 s are over.
_PATIENT = """#!/bin/sh
query() {{ {call}; }}
case "$*" in *--states=all*"--name "*) ;; *) query "$@"; exit ;; esac
seen={run}/ended.${{*##*--name }}
rounds=0
while :; do
  out=$(query "$@") || exit
  alive=$(echo "$out" | grep -cE "[|](PENDING|CONFIGURING|RUNNING|COMPLETING)")
  ended=$(($(echo "$out" | grep -c "[|]") - alive))
  rounds=$((rounds + 1))
  [ $alive = 0 ] || [ $ended != "$(cat "$seen" 2>&1)" ] || [ $rounds = 80 ] && break
  sleep 0.5
done
echo $ended > "$seen"
echo "$out"
"""


class NoClusterError(RuntimeError):
    """There can be no cluster here; the message says why."""


def check_installed() -> None:
    """Raise NoClusterError where a program of SLURM is missing; .ci/run installs them."""
    missing = [c for c in (*DAEMONS, *CLIENTS) if shutil.which(c, path=_PATH) is None]
    if missing:
        raise NoClusterError(f"no {', '.join(missing)}: install Debian's {', '.join(PACKAGES)}")


def until(condition: Callable[[], object], *, seconds: float, what: str) -> None:
    """Wait for a condition.

    Raises
    ------
    TimeoutError
        It did not come true in time.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(0.2)


class Cluster:
    """One node with some CPUs, memory and GPUs.

    Parameters
    ----------
    folder : path
        For all its files; short enough for UNIX sockets.
    cpus, memory_mb, gpus : int
        What the node offers.
    partitions : tuple of str
        The first one is the default.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cpus: int = 8,
        memory_mb: int = 64_000,
        gpus: int = 2,
        partitions: tuple[str, ...] = ("main", "other"),
    ) -> None:
        if len(str(folder)) > _LONGEST_FOLDER:
            raise NoClusterError(f"{folder} is too long a path for UNIX sockets")
        self.folder, self.gpus, self.partitions = folder, gpus, partitions
        self._cpus, self._memory_mb = cpus, memory_mb
        self._configuration = folder / "slurm.conf"
        self._daemons: list[subprocess.Popen[bytes]] = []
        self._host, self._in_namespace = _host()

    @contextmanager
    def running(self) -> Iterator[Cluster]:
        """Start it, and leave no process behind."""
        try:
            self._start()
            yield self
        finally:
            self._stop()

    def environment(self) -> dict[str, str]:
        """What a process needs to use the cluster, and nothing of another one."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SLURM_", "SBATCH_", "SRUN_", "SQUEUE_", "MUNGE_"))
        }
        # Not by SLURM_CONF alone: the step of a Snakemake job drops it before it calls srun.
        return {**kept, "PATH": f"{self.folder / 'bin'}:{kept.get('PATH', _PATH)}"}

    def run(self, *command: str) -> str:
        """What one of SLURM's commands prints."""
        done = subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def jobs(self, *states: str) -> dict[str, str]:
        """Comment, which has rule and wildcards, by the id of each job in some states."""
        chosen = ",".join(states) or "all"
        lines = self.run("squeue", "--noheader", f"--states={chosen}", "--format=%i|%k")
        return dict(line.split("|", 1) for line in lines.splitlines())

    def cancel_all(self) -> None:
        """End all jobs and wait until they are gone."""
        alive = ("PENDING", "RUNNING", "COMPLETING", "SUSPENDED")
        if jobs := self.jobs(*alive):
            self.run("scancel", *jobs)
            until(lambda: not self.jobs(*alive), seconds=60, what="jobs to be cancelled")

    def _start(self) -> None:
        for name in ("run", "state", "spool", "log", "bin"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "run").chmod(0o755)
        self._write_configuration()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        # --force: pytest's folders are private, which munged would not like
        self._daemon("munged", "--foreground", "--force", f"--socket={self._socket}",
                     f"--key-file={key}", f"--seed-file={self.folder}/munge.seed",
                     f"--pid-file={self.folder}/run/munged.pid",
                     f"--log-file={self.folder}/log/munge.log")  # fmt: skip
        until(self._socket.exists, seconds=20, what="munged")
        self._daemon("slurmctld", "-D", "-c", "-f", str(self._configuration))
        self._daemon("slurmd", "-D", "-N", self._host, "-f", str(self._configuration))
        try:
            until(self._usable, seconds=60, what="the node to be usable")
        except TimeoutError as error:
            logs = [f.read_text(errors="replace")[-2000:] for f in self.folder.glob("log/*")]
            raise RuntimeError("\n".join([str(error), *logs])) from None
        self.run("srun", "--ntasks=1", "true")  # a step, end to end

    def _usable(self) -> bool:
        try:
            state = self.run("sinfo", "--noheader", "--format=%T")
        except RuntimeError:
            return False
        return state.split()[:1] in (["idle"], ["mixed"])

    def _daemon(self, name: str, *arguments: str) -> None:
        program = shutil.which(name, path=_PATH)
        assert program is not None
        with (self.folder / "log" / f"{name}.out").open("wb") as out:
            self._daemons.append(
                subprocess.Popen(
                    [*self._in_namespace, program, *arguments],
                    env={**self.environment(), "SLURM_CONF": str(self._configuration)},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,  # Ctrl-C is for pytest, which then stops them
                    preexec_fn=_die_with_parent,  # noqa: PLW1509
                )
            )

    def _stop(self) -> None:
        if len(self._daemons) == len(DAEMONS):
            with suppress(RuntimeError, TimeoutError):  # what is left is ended below
                self.cancel_all()
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in reversed(self._daemons):
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons.clear()
        left = self.processes()
        for process in left:
            with may_be_gone():
                process.kill()
        psutil.wait_procs(left, timeout=10)

    def processes(self) -> list[psutil.Process]:
        """All processes of the cluster: daemons, jobs, and what these started."""
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            with may_be_gone():
                if self._uses(process):
                    found[process.pid] = process
                    found |= {child.pid: child for child in process.children(recursive=True)}
        return [p for p in found.values() if p.pid != os.getpid()]

    def _uses(self, process: psutil.Process) -> bool:
        if process.environ().get("SLURM_CONF") == str(self._configuration):
            return True
        # slurmstepd writes its title over its environment; but it has the log of slurmd open.
        if not process.name().startswith("slurm"):
            return False
        opened = [str(f.readlink()) for f in Path(f"/proc/{process.pid}/fd").iterdir()]
        return any(file.startswith(f"{self.folder}/") for file in opened)

    @property
    def _socket(self) -> Path:
        return self.folder / "run" / "munge.socket"

    def _write_configuration(self) -> None:
        folder, user = self.folder, psutil.Process().username()
        plugins = [p for pattern in _SEARCHED for p in Path("/").glob(pattern[1:])]
        plugins = [p for p in plugins if (p / "auth_munge.so").exists()]
        if not plugins:
            raise NoClusterError(f"no plugins of SLURM in {', '.join(_SEARCHED)}")
        controller, daemon = _free_ports(2)
        devices = DEVICES[: self.gpus]
        assert len(devices) == self.gpus
        lines = [
            "ClusterName=mfbench",
            f"SlurmctldHost={self._host}(127.0.0.1)",
            f"SlurmctldPort={controller}",
            f"SlurmdPort={daemon}",
            "CommunicationParameters=NoCtldInAddrAny,NoInAddrAny",  # listen on loopback alone
            f"SlurmUser={user}",
            f"SlurmdUser={user}",
            "AuthType=auth/munge",
            f"AuthInfo=socket={self._socket}",
            f"StateSaveLocation={folder}/state",
            f"SlurmdSpoolDir={folder}/spool",
            f"SlurmctldPidFile={folder}/run/slurmctld.pid",
            f"SlurmdPidFile={folder}/run/slurmd.pid",
            f"SlurmctldLogFile={folder}/log/slurmctld.log",
            f"SlurmdLogFile={folder}/log/slurmd.log",
            f"PluginDir={plugins[0]}",
            f"PlugStackConfig={folder}/plugstack.conf",
            # Nothing here needs cgroups, a database, mail or MPI; memory is counted, not limited.
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            "SwitchType=switch/none",
            "MpiDefault=none",
            "MailProg=/bin/true",
            "AccountingStorageType=accounting_storage/none",
            "JobAcctGatherType=jobacct_gather/none",
            "JobCompType=jobcomp/filetxt",
            f"JobCompLoc={folder}/log/jobs.log",
            "MinJobAge=86400",
            "SchedulerParameters=batch_sched_delay=0,sched_interval=5,bf_interval=5",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_CPU_Memory",
            "KillWait=5",
            "ReturnToService=2",
            "SlurmdParameters=config_overrides",  # CPUs and memory as they stand here
            "GresTypes=gpu",
            f"NodeName={self._host} NodeAddr=127.0.0.1 CPUs={self._cpus} "
            f"RealMemory={self._memory_mb} Gres=gpu:{self.gpus} State=UNKNOWN",
            *(
                f"PartitionName={name} Nodes={self._host} State=UP MaxTime=INFINITE "
                f"Default={'YES' if name == self.partitions[0] else 'NO'}"
                for name in self.partitions
            ),
        ]
        self._configuration.write_text("\n".join(lines) + "\n")
        (folder / "plugstack.conf").touch()
        gpus = "".join(f"NodeName={self._host} Name=gpu File={device}\n" for device in devices)
        (folder / "gres.conf").write_text(gpus)
        # slurmd looks for cgroups though nothing uses them; each version has its own way out.
        plugin = "disabled" if _version() >= (23, 11) else "cgroup/v1"
        (folder / "cgroup.conf").write_text(f"CgroupPlugin={plugin}\n")
        for name in CLIENTS:
            program = shutil.which(name, path=_PATH)
            command = [*(self._in_namespace if name == "srun" else []), str(program)]
            quoted = " ".join(f"'{part}'" for part in command)
            call = f'SLURM_CONF={self._configuration} {quoted} "$@"'
            patient = _PATIENT.format(call=call, run=folder / "run")
            wrapper = folder / "bin" / name
            wrapper.write_text(patient if name == "squeue" else f"#!/bin/sh\n{call}\n")
            wrapper.chmod(0o755)


def _host() -> tuple[str, list[str]]:
    """The node's name, and what to put before a daemon's command so that it resolves to loopback.

    The daemons listen on the address of the host's name. Where that is not 127.0.0.1, they run
    under the name localhost in a namespace of their own.
    """
    name = os.uname().nodename
    try:
        if socket.gethostbyname(name) == "127.0.0.1":
            return name.partition(".")[0], []
    except OSError:
        pass
    rename = 'hostname localhost && exec "$@"'
    namespace = ["unshare", "--uts", "sh", "-c", rename, "sh"]
    done = subprocess.run([*namespace, "true"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoClusterError(
            f"the host name {name} is not that of 127.0.0.1: {done.stderr.strip()}"
        )
    return "localhost", namespace


def _version() -> tuple[int, ...]:
    said = subprocess.run(
        [str(shutil.which("slurmctld", path=_PATH)), "-V"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return tuple(int(part) for part in said.split()[-1].split(".")[:2])


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def _die_with_parent() -> None:
    """Ask Linux to end this child when pytest dies, however it dies."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def may_be_gone() -> suppress:
    """For what may fail because a process ends meanwhile."""
    return suppress(psutil.Error, FileNotFoundError, PermissionError)
