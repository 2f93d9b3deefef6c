"""The mistakes operators make most in the configuration, each with the message it gives.

FILE stands for the configuration file's path. docs/configuration.md shows the same table.
"""

from __future__ import annotations

from typing import NamedTuple

POOL = '[[pool]]\nname = "images"\nkind = "activity"\ntask_list = "images"\n'


class Mistake(NamedTuple):
    """One mistake."""

    name: str
    text: str
    messages: tuple[str, ...]


DURATION = 'written like "30s", "5m", "1h30m", "250ms", or as a number of seconds'

MISTAKES = (
    Mistake(
        "a misspelt key",
        POOL + "proceses = 4\n",
        ('FILE:5: [[pool]] "images" proceses = 4: no such key; did you mean processes?',),
    ),
    Mistake(
        "a misspelt table",
        "[engin]\n",
        ("FILE:1: [engin]: no such table; did you mean engine?",),
    ),
    Mistake(
        "a key above its table",
        'domain = "pictures"\n',
        ('FILE:1: domain = "pictures": no such key; it belongs below [flowyd]',),
    ),
    Mistake(
        "one pair of brackets around pool",
        '[pool]\nname = "images"\n',
        ("FILE:1: [pool]: pools are a list; write [[pool]] with two brackets",),
    ),
    Mistake(
        "two pairs of brackets around another table",
        "[[engine]]\n",
        ("FILE:1: [[engine]]: must be one table; write [engine]",),
    ),
    Mistake(
        "a number in quotes",
        POOL + 'processes = "4"\n',
        (
            'FILE:5: [[pool]] "images" processes = "4": must be a whole number from 0 to 512; '
            "write 4 without quotes",
        ),
    ),
    Mistake(
        "text without quotes",
        "[flowyd]\nlog_level = debug\n",
        (
            "FILE:2: log_level = debug: Invalid value: text stands in double quotes, "
            "true and false in small letters",
        ),
    ),
    Mistake(
        "one directory instead of a list",
        '[flowyd]\nactivities = "/srv/activities"\n',
        (
            'FILE:2: [flowyd] activities = "/srv/activities": must be a list of directories; '
            'write ["/srv/activities"]',
        ),
    ),
    Mistake(
        "a duration with a word for a unit",
        POOL + 'stop_timeout = "5 minutes"\n',
        (f'FILE:5: [[pool]] "images" stop_timeout = "5 minutes": must be from 0s to 1d, {DURATION}',),
    ),
    Mistake(
        "a read timeout shorter than a poll",
        '[swf]\nread_timeout = "60s"\n',
        (f'FILE:2: [swf] read_timeout = "60s": must be from 70s to 10m, {DURATION}',),
    ),
    Mistake(
        "a retention without its unit",
        "[engine]\nretention = 30\n",
        ('FILE:2: [engine] retention = 30: must say its unit; for 30 days write "30d"',),
    ),
    Mistake(
        "a size with another unit",
        POOL + 'recycle_rss = "512MB"\n',
        (
            'FILE:5: [[pool]] "images" recycle_rss = "512MB": must be from 16M to 1T, written like "64M" or '
            '"1G", or as a number of bytes, or "never"',
        ),
    ),
    Mistake(
        "a word that is not one of the choices",
        '[flowyd]\nlog_level = "verbose"\n',
        ('FILE:2: [flowyd] log_level = "verbose": must be "debug", "info", "warning" or "error"',),
    ),
    Mistake(
        "a plural as the kind of a pool",
        '[[pool]]\nname = "images"\nkind = "activities"\ntask_list = "images"\n',
        ('FILE:3: [[pool]] "images" kind = "activities": must be "activity" or "decision"',),
    ),
    Mistake(
        "a pool without a task list",
        '[[pool]]\nname = "images"\nkind = "activity"\n',
        (
            'FILE:1: [[pool]] "images" task_list: is missing; must be a name of 1 to 256 characters without '
            '":", "/", "|", control characters and spaces at its ends',
        ),
    ),
    Mistake(
        "two pools of one name",
        POOL + POOL,
        (
            'FILE:6: [[pool]] "images" name: two pools have this name, names must differ; '
            "the first is on line 2",
        ),
    ),
    Mistake(
        "a directory that is not there",
        '[flowyd]\nactivities = ["/srv/missing"]\n' + POOL,
        (
            'FILE:2: [flowyd] activities = ["/srv/missing"]: /srv/missing is no directory, and pools of kind '
            '"activity" take their modules from there; create it or name another',
        ),
    ),
    Mistake(
        "a pool without modules",
        "[flowyd]\nactivities = []\n" + POOL,
        ('FILE:2: [flowyd] activities = []: must name a directory, as there is a pool of kind "activity"',),
    ),
    Mistake(
        "a table twice",
        '[flowyd]\ndomain = "a"\n\n[flowyd]\nlog_level = "info"\n',
        (
            "FILE:4: [flowyd]: Cannot declare ('flowyd',) twice: a table may stand in the file only once; "
            "move its keys together",
        ),
    ),
    Mistake(
        "a TCP endpoint without keys",
        '[engine]\nlisten = ["0.0.0.0:8080"]\n',
        (
            "FILE:2: [engine] listen: TCP endpoints need signed requests; "
            "name the file of keys with keys_file",
        ),
    ),
    Mistake(
        "a certificate without its key",
        '[engine]\nlisten = ["0.0.0.0:8080"]\nkeys_file = "keys.toml"\ntls_certificate = "cert.pem"\n',
        (
            "FILE:4: [engine] tls_certificate: needs tls_key beside it; "
            "both may name one file that holds both",
        ),
    ),
    Mistake(
        "TLS without a TCP endpoint",
        '[engine]\ntls_certificate = "cert.pem"\ntls_key = "key.pem"\n',
        (
            "FILE:2: [engine] tls_certificate: TLS is for TCP endpoints and there is none; "
            "name one with listen",
        ),
    ),
    Mistake(
        "a plural of pool",
        "[[pools]]\nprocesses = 2\n",
        ("FILE:1: [[pools]]: no such table; did you mean pool?",),
    ),
    Mistake(
        "a user that is not there",
        POOL + 'user = "missing"\n',
        ("FILE:5: [[pool]] \"images\" user: there is no user 'missing' on this machine; useradd makes one",),
    ),
    Mistake(
        "a group that is not there",
        '[flowyd]\noperators_group = "missing"\n',
        (
            "FILE:2: [flowyd] operators_group: there is no group 'missing' on this machine; "
            "groupadd makes one",
        ),
    ),
    Mistake(
        "a store that is not there",
        '[payloads]\nstore = "/srv/missing"\n',
        (
            "FILE:2: [payloads] store: /srv/missing is no directory; create it, for the users of all pools "
            "to read and write",
        ),
    ),
    Mistake(
        "a store of another kind",
        '[payloads]\nstore = "gs://bucket/payloads"\n',
        (
            'FILE:2: [payloads] store = "gs://bucket/payloads": must be a directory, or a place in Amazon S3 '
            'such as "s3://bucket/prefix", or ""',
        ),
    ),
    Mistake(
        "a region for a directory",
        '[payloads]\nstore = "/srv/payloads"\nregion = "eu-west-1"\n',
        ("FILE:3: [payloads] region: is for a store in S3; name one with store",),
    ),
    Mistake(
        "a limit among the engine's own keys",
        "[engine]\npollers = 5000\n",
        ("FILE:2: [engine] pollers = 5000: no such key; it belongs below [engine.limits]",),
    ),
    Mistake(
        "a limit that would stop everything",
        "[engine.limits]\nopen_executions = 0\n",
        ("FILE:2: [engine.limits] open_executions = 0: must be a whole number from 1 to 10000000",),
    ),
    Mistake(
        "a misspelt table of limits",
        "[engine.limit]\npollers = 5000\n",
        ("FILE:1: [engine] limit = { pollers = 5000 }: no such key; did you mean limits?",),
    ),
    Mistake(
        "a number in the environment",
        POOL + "environment = { THREADS = 1 }\n",
        (
            'FILE:5: [[pool]] "images" environment = { THREADS = 1 }: must have text for THREADS; '
            'write THREADS = "1"',
        ),
    ),
    Mistake(
        "a limit that does not exist",
        POOL + "rlimits = { files = 100 }\n",
        (
            "FILE:5: [[pool]] \"images\" rlimits = { files = 100 }: has 'files', which is no limit; "
            "there are as, core, cpu, data, fsize, memlock, nofile, nproc, stack",
        ),
    ),
    Mistake(
        "several decisions at once",
        POOL.replace("activity", "decision") + "concurrency = 4\n",
        (
            'FILE:5: [[pool]] "images" concurrency: is for async activities; a decision worker decides '
            "one task at a time, give it more processes",
        ),
    ),
    Mistake(
        "several at once",
        '[flowyd]\ndomian = "a"\n[swf]\nbackend = "amazon"\n' + POOL + "nice = 20\n",
        (
            'FILE:2: [flowyd] domian = "a": no such key; did you mean domain?',
            'FILE:4: [swf] backend = "amazon": must be "embedded" or "aws"',
            'FILE:9: [[pool]] "images" nice = 20: must be a whole number from -20 to 19',
        ),
    ),
)
