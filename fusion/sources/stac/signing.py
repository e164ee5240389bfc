"""Requests to S3 signed as AWS Signature Version 4 has it (AWS, Signature Version 4 signing process)."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

from fusion.errors import ForbiddenAddressError

NO_CONTENT = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, kw_only=True)
class S3Endpoint:
    """Where buckets lie, and the key to them; without a key requests are not signed (open buckets)."""

    url: str
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)

    def find_url(self, address: str) -> str:
        """http(s) address of s3://bucket/key, the bucket in the path."""
        bucket, _, key = address.removeprefix("s3://").partition("/")
        is_plain = bucket.replace("-", "").replace(".", "").isalnum() and bucket.isascii() and ".." not in bucket
        if not key or not is_plain or any(part in ("", ".", "..") for part in key.split("/")):
            raise ForbiddenAddressError(f"{address[:100]!r} is no s3://bucket/key.")
        return f"{self.url.rstrip('/')}/{bucket}/{quote(key, safe='/-._~')}"


def sign(endpoint: S3Endpoint, method: str, host: str, path: str, now: datetime | None = None) -> dict[str, str]:
    """Headers that sign a request without content or query; none where there is no key."""
    if not endpoint.access_key:
        return {}
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{endpoint.region}/s3/aws4_request"
    headers = {"host": host, "x-amz-content-sha256": NO_CONTENT, "x-amz-date": moment}
    if endpoint.session_token:
        headers["x-amz-security-token"] = endpoint.session_token
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"{method}\n{path}\n\n{lines}\n{names}\n{NO_CONTENT}"
    wanted = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{endpoint.secret_key}".encode()
    for part in (moment[:8], endpoint.region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, wanted.encode(), hashlib.sha256).hexdigest()
    said = f"AWS4-HMAC-SHA256 Credential={endpoint.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**{name: value for name, value in headers.items() if name != "host"}, "authorization": said}
