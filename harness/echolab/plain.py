"""Text from elsewhere (a server's output, a compiler's message) made safe to show."""

import re

# CSI and OSC sequences, and the other escapes of ECMA-48; then any control character but tab and newline, surrogates,
# what turns the direction of writing, and what XML 1.0 cannot hold.
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]")
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def plain(text: str) -> str:
    """`text` without terminal escape sequences; other control characters are shown as \\xNN."""
    return _CONTROLS.sub(_visible, _ESCAPES.sub("", text.replace("\r\n", "\n")))


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
