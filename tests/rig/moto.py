"""An S3-compatible store and an SQS, from the package moto. They keep everything in memory and lose it when stopped."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # it ships no types

from tests.rig.daemon import Daemon
from tests.rig.tls import ADDRESS, HOST

KEY_ID = "rig"
SECRET = "Round-Table-18"
REGION = "eu-west-2"


class Moto(Daemon):
    """One server for both services. certificate: its chain and key, to speak TLS."""

    name = "moto"
    unprivileged = False
    bucket = ""

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        self._certificate = certificate
        super().__init__()

    @property
    def endpoint(self) -> str:
        return f"http://{ADDRESS}:{self.port}" if self._certificate is None else f"https://{HOST}:{self.port}"

    def client(self, service: str, **more: Any) -> Any:
        """Amazon's own client, for a test to look with."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
            **more,
        )

    def make_bucket(self, name: str, **more: Any) -> None:
        self.client("s3", **more).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def objects(self, bucket: str) -> dict[str, bytes]:
        """All objects of a bucket, by name."""
        client = self.client("s3")
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        names = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return {name: client.get_object(Bucket=bucket, Key=name)["Body"].read() for name in names}

    def options(self) -> dict[str, str]:
        """The options that connect one of our stores to this server."""
        return {"endpoint": self.endpoint, "region": REGION, "access_key_id": KEY_ID}

    def _command(self) -> Sequence[str]:
        tls = () if self._certificate is None else ("-c", str(self._certificate[0]), "-k", str(self._certificate[1]))
        return (sys.executable, "-m", "moto.server", "-H", ADDRESS, "-p", str(self.port), *tls)
