"""Whether an old yes would undo a newer no that stands elsewhere: in another rule, or in another of the holder's sets.

On the safe side of every policy: a yes that is left out can be said again, a message that was sent stays sent.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from domain.json_value import JsonValue
from domain.pointer import keys_of
from domain.preference_set import SCOPES

Rule = tuple[str, ...]
"""The keys of a rule: none of the `all` rule, else its scope and its own. A scope alone stands for all its rules."""
Member = tuple[str, ...]
"""The keys of a leaf below its rule."""
Noes = Mapping[Rule, frozenset[Member]]

NONE: Final[Noes] = {}

_SWITCHES: Final = frozenset({"enabled", "condition"})
_CHOICES: Final = frozenset({"channel_types", "channels"})
_REST: Final = "otherwise"


def noes_among(paths: Iterable[str], leaves: Mapping[str, JsonValue]) -> Noes:
    """Those of a set's paths at which it says no, or yes only under a condition."""
    noes: dict[Rule, set[Member]] = {}
    for path in paths:
        rule, member = _divided(path)
        if path not in leaves or leaves[path] is True or not member:
            continue
        if member[0] in _SWITCHES or member[0] == _REST or (member[0] in _CHOICES and len(member) > 1):
            for above in {rule, rule[:1]}:
                noes.setdefault(above, set()).add(member)
    return {rule: frozenset(members) for rule, members in noes.items()}


def union(several: Iterable[Noes]) -> Noes:
    """The noes of several sets together."""
    noes: dict[Rule, frozenset[Member]] = {}
    for one in several:
        for rule, members in one.items():
            noes[rule] = noes.get(rule, frozenset()) | members
    return noes


def is_overruled(path: str, value: JsonValue, noes: Noes, elsewhere: Noes = NONE) -> bool:
    """Whether this is a yes, be it under a condition, to which one of the newer noes would give way.

    `noes` are those of the same set, `elsewhere` those of sets that are asked beside it, before or after.
    """
    rule, member = _divided(path)
    if value is False or not member or member[0] not in _SWITCHES | _CHOICES | {_REST}:
        return False
    if _narrows(noes.get(rule, frozenset()), member):
        return True
    wider = (no for rule_above in _wider(rule) for no in noes.get(rule_above, ()))
    # Narrower rules of another set too: a stronger set is asked before any of them.
    if any(_is_about(no, member) for no in (*wider, *_all_of(elsewhere))):
        return True
    # A stronger set's switch clears what a weaker one says in the same rule.
    if member[0] in _SWITCHES and elsewhere.get(rule):
        return True
    # What is said of all other channels, in whichever rule, gives way to a yes that names one, or that is asked first.
    return member[0] not in _SWITCHES and any(no[0] == _REST for no in (*_all_of(noes), *_all_of(elsewhere)))


def _divided(path: str) -> tuple[Rule, Member]:
    keys = keys_of(path)
    return (keys[:2], keys[2:]) if keys[:1] and keys[0] in SCOPES else ((), keys)


def _wider(rule: Rule) -> list[Rule]:
    """The rules that are less specific. Which categories a workflow has is not known here, so it may be any."""
    if not rule:
        return []
    return [(), ("categories",)] if rule[0] == "workflows" else [()]


def _narrows(noes: frozenset[Member], member: Member) -> bool:
    """Whether a no of the same rule would give way: the switch to nothing, a type to one of its channels."""
    return member[0] in _CHOICES and any(
        no[0] in _SWITCHES or (no[0] == "channel_types" and member[0] == "channels") for no in noes
    )


def _is_about(no: Member, member: Member) -> bool:
    """Whether a no of a wider rule is about this. Which type a channel has is not known here."""
    if (no[0] in _SWITCHES and member[0] != _REST) or no == member:
        return True
    return member[0] in _CHOICES and no[0] in _CHOICES and no[0] != member[0]


def _all_of(noes: Noes) -> Iterable[Member]:
    return (member for members in noes.values() for member in members)
