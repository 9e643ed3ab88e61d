"""An S3-compatible store and an SQS, from the package moto. They keep everything in memory and lose it when stopped."""

import sys
from collections.abc import Sequence
from typing import Any

import boto3  # type: ignore[import-untyped]  # it ships no types

from tests.rig.daemon import Daemon
from tests.rig.tls import ADDRESS

KEY_ID = "rig"
SECRET = "Round-Table-18"
REGION = "eu-west-2"


class Moto(Daemon):
    """One server for both services."""

    name = "moto"
    unprivileged = False
    bucket = ""

    @property
    def endpoint(self) -> str:
        return f"http://{ADDRESS}:{self.port}"

    def client(self, service: str) -> Any:
        """Amazon's own client, for a test to look with."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
        )

    def make_bucket(self, name: str) -> None:
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

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
        return (sys.executable, "-m", "moto.server", "-H", ADDRESS, "-p", str(self.port))
