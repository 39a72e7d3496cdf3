"""From what was seen to its probable cause, in words a student can use."""

import signal


def excerpt(data: bytes, most: int = 24) -> str:
    """The first bytes, as a C programmer would write them."""
    shown = "".join(chr(b) if 32 <= b < 127 and b != 92 else f"\\x{b:02x}" for b in data[:most])
    return f'"{shown}"' + (f" … ({len(data):,} bytes)" if len(data) > most else "")


def difference(expected: bytes, got: bytes) -> str:
    """How `got` differs from `expected`, at the first byte where it does."""
    if not got:
        return "nothing came back"
    same = _common_prefix(expected, got)
    if same == len(got):
        return f"only {len(got):,} of {len(expected):,} bytes came back"
    if same == len(expected):
        extra = got[same:]
        return f"all {same:,} bytes came back, and {len(extra):,} more: {excerpt(extra)}"
    gap = len(expected) - len(got)
    if gap > 0 and expected[same + gap :] == got[same:]:
        return f"{gap:,} bytes are missing, from byte {same:,} on; the rest is right"
    if gap < 0 and got[same - gap :] == expected[same:]:
        return f"{-gap:,} bytes come too many, at byte {same:,}; the rest is right"
    return (
        f"{len(got):,} bytes came back; byte {same:,} differs: "
        f"expected {expected[same]:#04x}, got {got[same]:#04x}"
    )


def _common_prefix(a: bytes, b: bytes) -> int:
    least = min(len(a), len(b))
    if a[:least] == b[:least]:
        return least
    low, high = 0, least
    while high - low > 1:
        middle = (low + high) // 2
        if a[:middle] == b[:middle]:
            low = middle
        else:
            high = middle
    return low


def echo_cause(
    expected: bytes, got: bytes, *, ended: str | None = None, all_read: bool = False
) -> str | None:
    """Why an echo went wrong, if its shape tells; else None.

    `ended` says how the connection has ended, if it has; `all_read` that the server has read it all.
    """
    same = _common_prefix(expected, got)
    extra = len(got) - len(expected)
    if extra > 0 and got[extra:] == expected and same < len(expected):
        return "something is sent that the client has not sent: an echo server greets nobody"
    if same == len(expected) and extra > 0:
        if extra == 1:
            return "one byte too many is sent: strlen() + 1 instead of the number of bytes read"
        return "the whole buffer is sent (sizeof?) instead of the number of bytes that read returned"
    if same < len(got) == len(expected):
        return "the bytes are changed on their way: a buffer is shared, or sent before it is filled"
    if same < len(got):
        return None
    if ended:
        how = "" if ended == "end of file" else ", by a reset: closed with bytes unread, or SO_LINGER 0"
        return f"the client is let go before all of it has come back{how}" if got else None
    if b"\0" in (expected[same : same + 1], got[-1:]):
        return "the echo stops at a zero byte: the data is treated as a C string (strlen, %s)"
    if got.endswith(b"\n"):
        return "the echo stops after a newline: it waits for whole lines, but bytes are not lines"
    if not got and all_read:
        return "it reads, and waits for more than there is (a newline, a full buffer), or never writes"
    return None


def exit_text(code: int) -> str:
    """An exit code as subprocess counts it (negative: a signal), in words."""
    if code >= 0:
        return f"it ended with exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"it was killed by {name} ({signal.strsignal(-code)})"


def exit_cause(code: int) -> str | None:
    """Why a server that should have stayed is gone, if its exit code tells."""
    if code == -signal.SIGPIPE:
        return (
            "a write to a client that had gone raises SIGPIPE, which ends the process: "
            "use MSG_NOSIGNAL or ignore SIGPIPE, and handle EPIPE"
        )
    if code in (-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT, -signal.SIGFPE, -signal.SIGILL):
        return "the server crashed: run it under gdb, or build it with -fsanitize=address"
    if code == -signal.SIGUSR1:
        return "the handler for SIGUSR1 that main() installs is gone"
    return None
