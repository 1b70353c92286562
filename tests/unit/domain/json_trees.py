"""Random JSON, with keys that look like something else, and equality as JSON has it."""

import json
from typing import Any

from hypothesis import strategies as st

from domain.json_value import JsonValue

KEYS = st.sampled_from(["a", "b", "", "a/b", "~", "~1", "~2", "*", "conditions", "all", "é", "\U0001f98b"])
SCALARS: st.SearchStrategy[JsonValue] = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)]),
    st.sampled_from([0.0, 1.0, 0.1, -1e300, 5e-324]),
    st.sampled_from(["", "a", "null", "\u2028"]),
)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
OBJECTS: st.SearchStrategy[dict[str, JsonValue]] = st.dictionaries(KEYS, VALUES, max_size=4)


def text_of(value: Any) -> str:
    """One text for each JSON value: true is not 1, and 1 is not 1.0."""
    return json.dumps(value, sort_keys=True)


def merge_patched(target: JsonValue, patch: JsonValue) -> JsonValue:
    """RFC 7396, section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patched(result.get(name), value)
    return result
