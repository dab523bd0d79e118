"""Just enough of JSON Schema 2020-12 to check the catalogue against the decoder."""

from collections.abc import Callable
from typing import Any, Final

Schema = dict[str, Any]

_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
_NOTES: Final = frozenset(("$schema", "$id", "$defs", "title", "description", "default", "examples", "format"))
_APART: Final = _NOTES | {"additionalProperties"}


def is_valid(schema: Schema, value: Any, defs: Schema) -> bool:
    """Whether a decoded JSON value is what the schema allows; `format` is a note, as it is by default."""
    holds = all(_holds(schema, keyword, value, defs) for keyword in schema if keyword not in _APART)
    return holds and (not isinstance(value, dict) or _rest_holds(schema, value, defs))


def _holds(schema: Schema, keyword: str, value: Any, defs: Schema) -> bool:
    wanted = schema[keyword]
    match keyword:
        case "$ref":
            return is_valid(defs[wanted.removeprefix("#/$defs/")], value, defs)
        case "anyOf":
            return any(is_valid(one, value, defs) for one in wanted)
        case "oneOf":
            return sum(is_valid(one, value, defs) for one in wanted) == 1
        case "enum":
            return value in wanted
        case "type":
            return _TYPES[wanted](value)
        case "required" | "properties" | "propertyNames" | "minProperties" | "maxProperties":
            return not isinstance(value, dict) or _names_hold(keyword, wanted, value, defs)
        case "items" | "minItems" | "maxItems":
            return not isinstance(value, list) or _items_hold(keyword, wanted, value, defs)
    return _limit_holds(keyword, wanted, value)


def _names_hold(keyword: str, wanted: Any, value: Schema, defs: Schema) -> bool:
    match keyword:
        case "required":
            return all(name in value for name in wanted)
        case "propertyNames":
            return all(is_valid(wanted, name, defs) for name in value)
        case "minProperties":
            return len(value) >= int(wanted)
        case "maxProperties":
            return len(value) <= int(wanted)
    return all(is_valid(one, value[name], defs) for name, one in wanted.items() if name in value)


def _items_hold(keyword: str, wanted: Any, value: list[Any], defs: Schema) -> bool:
    if keyword == "items":
        return all(is_valid(wanted, one, defs) for one in value)
    return len(value) >= int(wanted) if keyword == "minItems" else len(value) <= int(wanted)


def _limit_holds(keyword: str, wanted: int, value: Any) -> bool:
    match keyword:
        case "minLength":
            return not isinstance(value, str) or len(value) >= wanted
        case "maxLength":
            return not isinstance(value, str) or len(value) <= wanted
        case "minimum":
            return not isinstance(value, int) or value >= wanted
        case "maximum":
            return not isinstance(value, int) or value <= wanted
    raise AssertionError(f"the keyword {keyword!r} is not known here: add it")


def _rest_holds(schema: Schema, value: Schema, defs: Schema) -> bool:
    rest = schema.get("additionalProperties", True)
    others = [one for name, one in value.items() if name not in schema.get("properties", {})]
    if isinstance(rest, bool):
        return rest or not others
    return all(is_valid(rest, one, defs) for one in others)
