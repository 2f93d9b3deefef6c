"""boto3, the AWS CLI and the JavaScript SDK each drive a whole life of workflows on a real engine process.

The CLI and the SDK are installed by the fixtures from the package registries, once per checkout, into the
cache folder that pytest keeps.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import pytest

from tests.foreign import lifecycle

HERE = Path(__file__).parent
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "foreign",
    "AWS_SECRET_ACCESS_KEY": "foreign",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real engine on a loopback port, ended by its pid."""
    database = tmp_path_factory.mktemp("engine") / "engine.db"
    command = [sys.executable, "-m", "flowyd", "engine", "--listen", "127.0.0.1:0"]
    command += ["--database", str(database), "--any-credentials"]
    engine = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    line = engine.stdout.readline()
    address = next(word for word in line.split() if "127.0.0.1:" in word)
    yield "http://" + address[address.index("127.0.0.1:") :].rstrip(".,;/)")
    engine.terminate()
    assert engine.wait(timeout=20) == 0


def installed(request: pytest.FixtureRequest, name: str) -> Path:
    folder = request.config.cache.mkdir(name)
    assert isinstance(folder, Path)
    return folder


@pytest.fixture(scope="module")
def node_folder(request: pytest.FixtureRequest) -> Path:
    """A folder with the JavaScript SDK and the scenario in it."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not on this machine")
    folder = installed(request, "foreign-node")
    if not (folder / "node_modules" / "@aws-sdk" / "client-swf").is_dir():
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--silent", "@aws-sdk/client-swf@3"],
            cwd=folder,
            check=True,
            timeout=300,
        )
    shutil.copy(HERE / "lifecycle.mjs", folder)
    return folder


@pytest.fixture(scope="module")
def aws(request: pytest.FixtureRequest) -> Path:
    """The AWS CLI in an environment of its own, since it pins botocore."""
    folder = installed(request, "foreign-awscli")
    command = folder / "bin" / "aws"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "awscli"]
        subprocess.run(install, check=True, timeout=300)
    return command


def test_boto3_drives_the_whole_lifecycle(endpoint: str) -> None:
    client = boto3.client(
        "swf",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="foreign",
        aws_secret_access_key="foreign",
    )

    def call(operation: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = client._make_api_call(operation, request)
        except botocore.exceptions.ClientError as error:
            raise lifecycle.Refused(error.response["Error"]["Code"]) from error
        return answer

    assert lifecycle.run(call, "boto3") == lifecycle.EXPECTED


@pytest.mark.timeout(600)
def test_the_aws_cli_drives_the_whole_lifecycle(endpoint: str, aws: Path) -> None:
    def call(operation: str, request: dict[str, Any]) -> dict[str, Any]:
        words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in operation)
        command = [str(aws), "swf", words.lstrip("-"), "--endpoint-url", endpoint, "--no-paginate"]
        command += ["--output", "json", "--cli-input-json", json.dumps(request)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **CREDENTIALS})
        if done.returncode != 0:
            raise lifecycle.Refused(done.stderr.partition("(")[2].partition(")")[0] or done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else {}

    assert lifecycle.run(call, "awscli") == lifecycle.EXPECTED


@pytest.mark.timeout(600)
def test_the_javascript_sdk_drives_the_whole_lifecycle(endpoint: str, node_folder: Path) -> None:
    command = ["node", "lifecycle.mjs", endpoint, "javascript"]

    done = subprocess.run(command, cwd=node_folder, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == lifecycle.EXPECTED
