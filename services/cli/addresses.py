"""Holders and sets as people write them, made into paths of the API."""

from urllib.parse import quote

import click

from domain.holder import Holder, HolderKind, SetId, SetKind, parse_holder, parse_set_id
from domain.invalid import Invalid


def holder_path(text: str) -> str:
    """The path of a holder. Raises click.BadParameter."""
    try:
        holder = parse_holder(text)
    except Invalid as error:
        raise click.BadParameter(error.message, param_hint="HOLDER") from None
    return f"/holders/{_holder_segment(holder)}"


def set_path(holder_text: str, set_text: str) -> str:
    """The path of one of a holder's sets. Raises click.BadParameter."""
    try:
        set_id = parse_set_id(set_text)
    except Invalid as error:
        raise click.BadParameter(error.message, param_hint="SET") from None
    return f"{holder_path(holder_text)}/preferences/{_set_segment(set_id)}"


def _holder_segment(holder: Holder) -> str:
    if holder.kind is HolderKind.ENVIRONMENT:
        return "environment"
    if holder.kind is HolderKind.OBJECT:
        return f"object:{_quote(holder.collection)}:{_quote(holder.id)}"
    return f"{holder.kind.value}:{_quote(holder.id)}"


def _set_segment(set_id: SetId) -> str:
    if set_id.kind is SetKind.DEFAULT:
        return "default"
    if set_id.kind is SetKind.SUBSCRIPTION:
        return f"subscription:{_quote(set_id.topic)}:{_quote(set_id.id)}"
    return f"{set_id.kind.value}:{_quote(set_id.id)}"


def _quote(part: str) -> str:
    return quote(part, safe="")
