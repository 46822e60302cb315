"""JSON by the C functions behind the module ``json``.

To import that module, with the regular expressions in it, takes 4 ms of each job.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:  # novm
    from typing import Any, Dict


def loads(text: str) -> "Any":
    """The value in a JSON text.

    :raises ValueError: it is no JSON
    """
    try:
        from _json import make_scanner
    except ImportError:  # another implementation of Python
        import json

        return json.loads(text)
    text = text.strip(" \t\n\r")
    try:
        value, end = make_scanner(_Context())(text, 0)  # type: ignore[arg-type]
    except (StopIteration, SystemError):  # the second where Python looks for the class of the error in ``json`` itself
        raise ValueError("it is no JSON") from None
    if end != len(text):
        raise ValueError("something follows the JSON")
    return value


class _Context:
    """What ``json.JSONDecoder`` gives its scanner."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    array_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo = None


def dumps_flat(fields: "Dict[str, Any]") -> str:
    """An object of texts, numbers and truth values, in ASCII."""
    return "{" + ", ".join(f"{_text(name)}: {_value(value)}" for name, value in fields.items()) + "}"


def _value(value: "Any") -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return _text(value)


def _text(text: str) -> str:
    try:
        from _json import encode_basestring_ascii
    except ImportError:
        import json

        return json.dumps(text)
    return str(encode_basestring_ascii(text))
