"""What a bucket is set to do, which Arrow can't tell: asked by boto3 where that is installed."""

from urllib.parse import parse_qs, urlsplit


def keeps_versions(url: str) -> bool | None:
    """Whether the bucket of an S3 URL keeps what is replaced and deleted; None where it can't be asked.

    Raises `OSError` when it doesn't answer.
    """
    place = urlsplit(url)
    if place.scheme != "s3":
        return None
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        return None
    query = {name: values[-1] for name, values in parse_qs(place.query).items()}
    endpoint = query.get("endpoint_override")
    if endpoint and "://" not in endpoint:
        endpoint = f"{query.get('scheme', 'https')}://{endpoint}"
    client = boto3.client("s3", endpoint_url=endpoint, region_name=query.get("region"))
    try:
        answer = client.get_bucket_versioning(Bucket=place.netloc)
    except (BotoCoreError, ClientError) as error:
        raise OSError(f"the bucket {place.netloc} doesn't say whether it keeps old versions: {error}") from None
    return bool(answer.get("Status") == "Enabled")
