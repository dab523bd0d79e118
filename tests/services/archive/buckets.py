"""An S3 server on loopback, and the environment in which it is found."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import boto3
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

BUCKET = "books"


@contextmanager
def serving_s3() -> Iterator[ThreadedMotoServer]:
    """A server with a bucket, its address and credentials in the environment meanwhile."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        variables = {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }
        with mock.patch.dict(os.environ, variables):
            client = boto3.client("s3", endpoint_url=variables["AWS_ENDPOINT_URL"], region_name="us-east-1")
            client.create_bucket(Bucket=BUCKET)
            client.close()
            yield server
    finally:
        server.stop()
