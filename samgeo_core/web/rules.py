"""A rule of selection as part of an address: only what differs from the run's own is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from samgeo_core.config import SelectionRule
from samgeo_core.errors import ParameterError

_NONE = "none"


def rule_from_query(own: SelectionRule, query: Mapping[str, str]) -> SelectionRule:
    """Read a rule from the parameters of an address; others are left alone.

    Args:
        own: the run's rule, for what the address doesn't say.
        query: names of fields with a number, "none", or the name of an overlap rule.

    Raises:
        ParameterError: a value is not a number, or out of its range.
    """
    given: dict[str, Any] = {}
    for name in (field.name for field in fields(SelectionRule)):
        if not (text := query.get(name)):
            continue
        if name == "overlap":
            given[name] = text
        elif text == _NONE and "area" in name:
            given[name] = None
        else:
            try:
                given[name] = float(text)
            except ValueError as error:
                raise ParameterError(f"{name} must be a number, got {text[:40]!r}.") from error
    return replace(own, **given)


def rule_query(own: SelectionRule, rule: SelectionRule) -> dict[str, str]:
    """The parameters from which `rule_from_query` makes this rule; none for the run's own."""
    before = asdict(own)
    return {
        name: _NONE if value is None else value if isinstance(value, str) else repr(float(value))
        for name, value in asdict(rule).items()
        if value != before[name]
    }
