"""The part of TOML that recipes are written in."""
from __future__ import annotations

import json
import re
from typing import Any


def line(key: str, value: Any) -> str:
    """key = value."""
    return f"{_key(key)} = {_value(value)}"


def header(*keys: str) -> str:
    """[a.b]."""
    return f"[{'.'.join(_key(key) for key in keys)}]"


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(line(key, item) for key, item in value.items())}}}"
    return repr(value)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
