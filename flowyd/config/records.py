"""The configuration as frozen records: every key of `/etc/flowyd.toml`, its meaning, unit and default.

`conf/flowyd.toml` shows the same keys for the operator; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from flowyd.swf import limits

DEFAULT_FILE = Path("/etc/flowyd.toml")


class Backend(str, Enum):
    """Who coordinates."""

    EMBEDDED = "embedded"  #: flowyd's own engine, a child of the daemon
    AWS = "aws"  #: Amazon SWF, or any endpoint that speaks its protocol


class PoolKind(str, Enum):
    """What the workers of a pool do."""

    ACTIVITY = "activity"  #: run activities
    DECISION = "decision"  #: decide workflows


class Durability(str, Enum):
    """What an answer of the engine means."""

    FULL = "full"  #: on disk: survives a power cut (SQLite synchronous=FULL)
    NORMAL = "normal"  #: survives a crash of any process; the last moments may be lost in a power cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """[flowyd]"""

    #: SWF domain of all pools; registered when missing.
    domain: str = "default"
    #: Directories whose modules and packages hold activities, and workflows.
    activities: tuple[Path, ...] = (Path("/etc/flowyd/activities"),)
    workflows: tuple[Path, ...] = (Path("/etc/flowyd/workflows"),)
    #: What must survive a reboot, such as the engine's database.
    state_dir: Path = Path("/var/lib/flowyd")
    #: Sockets.
    runtime_dir: Path = Path("/run/flowyd")
    #: debug, info, warning or error.
    log_level: str = "info"
    #: Unix groups whose members may change things at the control socket, and may only look.
    #: None: the daemon's own group; whoever reaches the socket.
    operators_group: str | None = None
    viewers_group: str | None = None

    @property
    def engine_socket(self) -> Path:
        """Where the embedded engine answers."""
        return self.runtime_dir / "engine.sock"

    @property
    def control_socket(self) -> Path:
        """Where the supervisor answers."""
        return self.runtime_dir / "control.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swf:
    """[swf]"""

    backend: Backend = Backend.EMBEDDED
    #: For backend "aws". None: what boto3 finds in its own configuration and environment.
    region: str | None = None
    profile: str | None = None
    #: Another endpoint than Amazon's, such as an engine on another machine.
    endpoint_url: str | None = None
    #: Seconds; the service holds a poll for 60, so the read timeout is above 70.
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 75.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadStorage:
    """[payloads]: where arguments and results too long for a history are kept."""

    #: An absolute directory, or s3://bucket/prefix. None: they are refused.
    store: str | None = None
    #: Longer ones go to the store, characters.
    above_characters: int = limits.DATA_CHARACTERS
    #: For S3. None: what boto3 finds in its own configuration and environment.
    region: str | None = None
    profile: str | None = None
    #: Another endpoint than Amazon's.
    endpoint_url: str | None = None

    @property
    def directory(self) -> Path | None:
        """The store where it is a directory."""
        return Path(self.store) if self.store is not None and self.store.startswith("/") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    """[engine.limits]: how much the engine takes on; the defaults are Amazon SWF's quotas.

    The engine's own records of quotas have fields of the same names; `flowyd.engine.settings` joins them.
    """

    #: Domains, deprecated ones included.
    domains: int = limits.DOMAINS
    #: Types of each kind in a domain, deprecated ones included.
    types_per_domain: int = limits.TYPES_PER_DOMAIN
    #: Open executions of a domain, children included.
    open_executions: int = limits.OPEN_EXECUTIONS_PER_DOMAIN
    #: Open activities, timers and children of an execution.
    open_activities: int = limits.OPEN_TASKS_PER_EXECUTION
    open_timers: int = limits.OPEN_TASKS_PER_EXECUTION
    open_children: int = limits.OPEN_TASKS_PER_EXECUTION
    #: Events after which an execution is terminated.
    history_events: int = limits.EVENTS_PER_EXECUTION
    #: Polls that wait at one task list.
    pollers: int = limits.POLLERS_PER_TASK_LIST
    #: How long a poll waits for a task, seconds.
    poll_s: float = limits.POLL_S
    #: How long a page token is good, seconds.
    page_token_s: float = limits.PAGE_TOKEN_S
    #: Connections at a time; the process's limit of open files may allow fewer.
    connections: int = 4_096
    #: Estimated memory for executions that are in use; more of them are read from the file again when needed.
    memory_bytes: int = 128 * 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """[engine]: the embedded engine."""

    #: The SQLite file. None: engine.db in state_dir.
    database: Path | None = None
    durability: Durability = Durability.FULL
    #: Extra TCP endpoints, "address:port"; they need signed requests.
    listen: tuple[str, ...] = ()
    #: How long closed executions of domains that flowyd registers are kept, days.
    retention_days: int = 30
    #: File of access keys for the TCP endpoints.
    keys_file: Path | None = None
    #: PEM files with which the TCP endpoints speak TLS: the certificate with its chain, and its key.
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    limits: EngineLimits = field(default_factory=EngineLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """[[pool]]: worker processes on one task list."""

    name: str
    kind: PoolKind
    task_list: str
    processes: int = 1
    #: How long a worker may finish its task when it is told to stop, seconds.
    stop_timeout_s: float = 30.0
    #: Pause before a dead worker is started again: from first, doubling, to longest, seconds.
    backoff_first_s: float = 0.5
    backoff_longest_s: float = 30.0
    #: A worker is replaced after so many tasks, so many seconds, or at so much memory; None: never.
    recycle_tasks: int | None = None
    recycle_age_s: float | None = None
    recycle_rss_bytes: int | None = None
    #: An activity task that killed so many of its workers in a row is held for the operator; None: never.
    quarantine_deaths: int | None = 3
    #: Added to the environment of the workers.
    environment: dict[str, str] = field(default_factory=dict)
    #: Scheduling niceness, -20 to 19.
    nice: int = 0
    #: Whose processes the workers are, where the daemon is root's. None: the daemon's; the user's own group.
    user: str | None = None
    group: str | None = None
    #: Where the workers stand. None: where the daemon does.
    working_directory: Path | None = None
    #: Limits of getrlimit(2) by name in small letters, such as "nofile"; None: unlimited.
    rlimits: dict[str, int | None] = field(default_factory=dict)
    #: Async activities that a worker runs at once.
    concurrency: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file, checked."""

    #: The file it came from.
    file: Path
    flowyd: Daemon = field(default_factory=Daemon)
    swf: Swf = field(default_factory=Swf)
    payloads: PayloadStorage = field(default_factory=PayloadStorage)
    engine: Engine = field(default_factory=Engine)
    pools: tuple[Pool, ...] = ()

    @property
    def database(self) -> Path:
        """The engine's SQLite file."""
        return self.engine.database or self.flowyd.state_dir / "engine.db"
