"""Record headers after the CloudEvents Kafka binding (binary mode): for people and tools. The fold never reads one."""

from domain.event import type_of
from domain.identifier import event_id_text
from projections.position import instant_text
from schemas.codec import Draft
from schemas.record import Headers

CONTENT_TYPE = b"application/avro"


def headers_of(draft: Draft, source: str) -> Headers:
    """The headers of one event. Nothing personal: the subject is the stream's pseudonym."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id_text(draft.event_id).encode()),
        ("ce_source", source.encode()),
        ("ce_type", f"prefledger.{type_of(draft.body)}".encode()),
        ("ce_time", instant_text(draft.occurred_at_milliseconds).encode()),
        ("content-type", CONTENT_TYPE),
    )
