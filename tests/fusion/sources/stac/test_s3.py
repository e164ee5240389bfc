"""Items and pixels in an S3 store: signed as Amazon's own library signs, read by range, and keys are not shown."""

from datetime import UTC, datetime

import numpy as np
import pytest

from fusion.errors import BadFileError, ForbiddenAddressError
from fusion.sources.stac import AllowedHost, RemoteFiles, S3Endpoint, read_asset, read_item
from fusion.sources.stac.signing import sign
from tests.fusion.sources.stac.store import PIXELS


@pytest.mark.parametrize("token", ["", "a/session+token="])
@pytest.mark.parametrize("path", ["/", "/scenes/a%20b/B04.tif", "/scenes/%C3%A4~_-.tif"])
def test_a_signature_is_the_one_that_amazons_own_library_makes(token, path):
    auth = pytest.importorskip("botocore.auth", reason="no second signer to compare with")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method="GET", url=f"https://s3.example:9000{path}")
    auth.S3SigV4Auth(Credentials("key", "secret", token or None), "s3", "eu-central-1").add_auth(request)
    moment = datetime.strptime(request.context["timestamp"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    endpoint = S3Endpoint(
        url="https://s3.example:9000", region="eu-central-1", access_key="key", secret_key="secret", session_token=token
    )
    ours = sign(endpoint, "GET", "s3.example:9000", path, moment)
    assert ours["authorization"] == request.headers["Authorization"]


def test_without_a_key_nothing_is_signed_and_keys_are_not_shown():
    assert sign(S3Endpoint(url="https://s3.example"), "GET", "h", "/") == {}
    assert "secret-word" not in repr(S3Endpoint(url="https://s3.example", access_key="k", secret_key="secret-word"))


@pytest.fixture(scope="module")
def s3(store):
    """A server that speaks S3 on the loopback, with the store in a bucket."""
    moto = pytest.importorskip("moto.server", reason="no S3-speaking server is installed")
    boto3 = pytest.importorskip("boto3")
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    key = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **key)
    client.create_bucket(Bucket="scenes")
    for path in store.glob("*"):
        client.upload_file(str(path), "scenes", f"a b/{path.name}")
    endpoint = S3Endpoint(url=f"http://{host}:{port}", access_key="key", secret_key="secret")
    hosts = [AllowedHost(host=host, port=port, is_plain_allowed=True, is_private_allowed=True)]
    yield RemoteFiles(hosts=hosts, s3=endpoint)
    running.stop()


@pytest.mark.slow  # the server takes seconds to start
def test_items_and_pixels_are_read_from_an_s3_store(s3):
    found = read_item("s3://scenes/a b/item.json", s3)
    [asset] = found.assets
    assert asset.uri == "s3://scenes/a b/B04.tif"
    values, _ = read_asset(asset, (512, 512, 16, 16), files=s3)
    assert np.array_equal(values, PIXELS[:, 512:528, 512:528])
    with pytest.raises(BadFileError, match="not there, or not for us"):
        s3.fetch("s3://scenes/gone.tif", 0, 10)
    with pytest.raises(ForbiddenAddressError, match="no s3://bucket/key"):
        s3.fetch("s3://scenes/../other/x.tif", 0, 10)
