"""What any echo server must do, whatever its model: the bodies of checks that several lessons ask."""

import errno
import random
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from echolab import diagnosis, sanitizers
from echolab.client import Client
from echolab.server import Server
from echolab.storm import storm
from echolab.verdict import Blocked, Outcome, expect, fail

SIXTY_FOUR = 64
EVERY_BYTE = bytes([*range(128, 256), *range(128)])
INTERRUPTED = "a signal handler has run, and the call fails with EINTR: nothing is wrong, call it again"
EIGHT_MIB = random.Random(8).randbytes(8 << 20)

Connect = Callable[..., Client]
NewServer = Callable[..., Server]


def it_listens_where_it_was_told_to(new_server: NewServer) -> None:
    """The port and address of the command line are the ones that clients find it on, and no others."""
    server = new_server(host="127.0.0.2")
    if not server.command.takes("host"):
        server = new_server()
    expect(
        server.start(),
        f"a listener on {server.host}:{server.port}",
        "socket, bind and listen have to succeed on that address, in network byte order",
    )
    address = server.listens_on()
    if server.command.takes("host") and address != server.host:
        fail(
            f"a listener on {server.host}:{server.port}",
            f"it listens on {address}:{server.port}, so whoever reaches this machine can connect",
            "the host of the command line is not used: INADDR_ANY stands for every address",
        )


def a_taken_port_is_said_and_ends_it(new_server: NewServer) -> None:
    """When somebody else listens on its port, it says so and ends with a non-zero exit status."""
    server = new_server()
    expected = f"a line that says that port {server.choose_port()} is in use, and a non-zero exit"
    with socket.socket() as other:
        # The port is held on every address, so that no wildcard can slip past it.
        other.bind(("0.0.0.0", server.port))
        other.listen()
        server.launch()
        ended = server.until(lambda: server.exit_code is not None, while_starting=True)
    if not ended:
        fail(
            expected,
            f"it went on: {server.not_listening(ended).observed}",
            "a failure of bind or listen is ignored",
        )
    said = "".join(server.output())
    if server.exit_code == 0:
        fail(expected, "it ended with exit status 0, which means success", "exit(0) after a failure")
    if not any(word in said for word in ("in use", "EADDRINUSE")):
        fail(
            expected,
            server.describe(),
            "the reason is not said, or errno was changed before it was printed",
        )


def it_starts_again_at_once_on_the_port_it_just_used(new_server: NewServer) -> None:
    """Old connections of the port in TIME_WAIT do not keep it from listening."""
    server = new_server()
    with server.leave_old_connection():
        expect(
            server.start(),
            f"a listener on port {server.port}, although an old connection of that port lingers",
            "SO_REUSEADDR has to be set before bind: without it bind fails for a minute",
        )


def every_byte_value_comes_back(client: Client) -> None:
    """The echo is exact for all 256 values, zero and newline among them: bytes are not text."""
    expect(
        client.echoes(EVERY_BYTE),
        "the 256 bytes that were sent, and no more",
        "write what read returned: that many bytes, from the start of the buffer",
    )


def bytes_sent_one_by_one_come_back_one_by_one(client: Client) -> None:
    """Each byte is echoed before the next is sent, without a newline."""
    for byte in b"echo":
        expect(
            client.echoes(bytes([byte])),
            f'"{chr(byte)}" comes back before anything else is sent',
            "the server waits for more than there is, or lets the client go after its first bytes",
        )


def eight_mib_reach_a_client_that_reads_late(connect: Connect) -> None:
    """A client that reads only when everything is full gets all 8 MiB, unchanged."""
    client = connect(buffers=64 * 1024)
    sent = client.send_until_stuck(EIGHT_MIB)
    expect(
        client.echoes(EIGHT_MIB, already_sent=sent),
        "all 8,388,608 bytes come back unchanged",
        "write took fewer bytes than it was given, and the rest was dropped",
    )


def after_a_half_close_everything_comes_back_then_the_end(connect: Connect) -> None:
    """A client that says "I send no more" still gets all its bytes, and then the server's end of file."""
    client = connect(buffers=64 * 1024)
    sent = client.send_until_write_blocks(EIGHT_MIB)
    client.finish()  # while the server has bytes to read, and some to write
    expect(
        client.gets(EIGHT_MIB[:sent]),
        f"the {sent:,} bytes sent before the half-close come back unchanged",
        "the client is let go at its end of file, before all that it has sent is echoed",
    )
    expect(
        client.gets_end(),
        "the server's end of file, after the last byte",
        "read returned 0 and was called again, or the client's descriptor is never closed",
    )


def descriptors_do_not_pile_up(server: Server, connect: Connect) -> None:
    """After each client the server holds as many descriptors as before it."""
    before = 0
    for turn in range(21):
        client = connect()
        expect(client.echoes(b"hi"), f'client {turn + 1} gets "hi" back', "clients are not served")
        client.leave()
        if turn == 0:
            # One client may open what is kept for all, such as a log.
            server.settle()
            before = server.open_descriptors()
    returned = server.until(lambda: server.open_descriptors() <= before)
    expect(
        Outcome(returned.ok, f"{server.open_descriptors()} are open: {server.describe()}"),
        f"{before} open descriptors after 21 clients, as after the first",
        "the client's descriptor is not closed when it has left",
    )


def a_reset_while_it_reads_costs_only_that_client(server: Server, connect: Connect) -> None:
    """A client whose connection is reset (read fails with ECONNRESET) does not take the server with it."""
    lost = connect()
    expect(lost.echoes(b"hi"), '"hi" comes back', "the echo does not work yet")
    lost.reset()
    expect_it_stays(server, "after a client's reset", "a read that fails ends the whole server")
    expect_service(connect, "after a client's reset")


def a_reset_while_it_writes_costs_only_that_client(server: Server, connect: Connect) -> None:
    """A client that never reads, and then is gone, makes write fail with ECONNRESET or EPIPE; no more."""
    lost = connect(buffers=64 * 1024)
    lost.send_until_stuck(EIGHT_MIB)
    expect_accepted(server, lost)
    lost.reset()
    when, cause = "after a reset while it was writing", "a write that fails ends the whole server"
    expect_it_stays(server, when, cause)
    expect_service(connect, when)
    # The same after the client's end of file: then the kernel says EPIPE, and raises SIGPIPE.
    for _ in range(3):  # the write that sleeps may find room at the last moment
        lost = connect(buffers=64 * 1024)
        lost.send_until_write_blocks(EIGHT_MIB)
        lost.finish()
        blocked = server.until(lost.has_finished_unread, quiet=True)
        lost.reset()
        if blocked:
            break
    expect_it_stays(server, when, cause)
    expect_service(connect, when)


def running_out_of_descriptors_is_survived(server: Server, connect: Connect) -> None:
    """When accept fails with EMFILE the server goes on, and serves again when descriptors are to be had."""
    first = connect()
    expect(first.echoes(b"hi"), '"hi" comes back', "the echo does not work yet")
    first.leave()
    server.settle()
    expect(server.stays(), "the server goes on after its first client", "it serves one client only")
    with server.no_more_descriptors():
        # Who is blocked in accept has its next descriptor already: only the accept after it fails.
        # This client may be lost.
        before, lost = server.tasks(), connect()
        server.until(lambda: server.has_run_since(before), quiet=True)
        before = server.tasks()
        lost.leave()
        server.until(lambda: server.has_ended() or server.has_run_since(before), quiet=True)
    when, cause = "after accept failed with EMFILE", "a failure of accept ends the whole server"
    expect_it_stays(server, when, cause)
    expect_service(connect, when)


def no_two_threads_meet_in_the_same_memory(
    sanitized_server: Callable[[str], Server], source: Path
) -> None:
    """Built with ThreadSanitizer and put under load, the server shows no data race."""
    expect_no_finding(
        sanitized_server("tsan"),
        source,
        "no two threads use the same memory at the same time, one of them writing",
        "what threads share has to be guarded: take the mutex around each use, reads as well",
    )


def nothing_is_read_or_written_out_of_bounds(
    sanitized_server: Callable[[str], Server], source: Path
) -> None:
    """Built with AddressSanitizer and put under load, the server keeps within its own memory."""
    expect_no_finding(
        sanitized_server("asan"),
        source,
        "no read or write outside of an array, or of memory that was freed",
        "an index goes beyond the table, or an object is used after its end",
    )


def expect_no_finding(server: Server, source: Path, expected: str, cause: str) -> None:
    """Many clients come, some are reset, SIGTERM comes in the middle; the sanitizer stays silent."""
    started, served = server.start(), Outcome(False)
    if started:
        served = storm(server, 200, at_once=16)
        for one_of_four in range(4):
            client = Client(server)
            if not (client.connects() and client.is_served()):
                break  # nor would the next be
            if one_of_four < 3:
                client.reset()
        sending = Client(server)
        if sending.connects():
            sending.send(b"hi")
        server.signal(signal.SIGTERM)
        server.until(server.has_ended, quiet=True)
    printed = server.output()[1]
    if why := sanitizers.could_not_start(printed):
        raise Blocked(why)
    if finding := sanitizers.first_finding(printed, source):
        fail(expected, str(finding), cause, finding.line)
    if not (started and served):
        raise Blocked("the server does not serve many clients yet")


# What several checks share


def sigterm_ends_it_at_idle(server: Server, connect: Connect) -> None:
    """With no client connected, SIGTERM ends the server."""
    client = connect()
    expect(client.is_served(), '"hi" comes back', "the echo does not work yet")
    client.leave()
    server.settle()
    server.signal(signal.SIGTERM)
    expect(
        server.until(server.has_ended),
        "the server ends on SIGTERM",
        "SIGTERM is ignored, or only sets a flag that nobody looks at while accept is blocked",
    )


def a_silent_client_holds_nobody_up(server: Server, connect: Connect) -> None:
    """While one client is connected and says nothing, another is served."""
    silent = connect()
    expect_accepted(server, silent)
    second = connect()
    expect(
        second.echoes(b"hello"),
        'the second client gets "hello" back while the first says nothing',
        "whoever accepts serves the client himself; another process or thread has to",
    )


def sixty_four_clients_at_once_each_get_their_own_bytes(connect: Connect) -> None:
    """64 clients are connected at the same time; each gets back what it sent, and nobody else's."""
    clients = [connect() for _ in range(SIXTY_FOUR)]
    for number, client in enumerate(clients):
        client.send(b"client %02d" % number)
    for number, client in enumerate(clients):
        expect(
            client.gets(b"client %02d" % number, settle=number == SIXTY_FOUR - 1),
            f'client {number} of {SIXTY_FOUR} gets "client {number:02d}" back',
            "clients share what each of them has to have for itself, or are not served at once",
        )
    if any(client.has_data() for client in clients):
        fail("each client gets its own bytes", "some get more than that", "clients share a buffer")


def each_client_gets_its_own_bytes(connect: Connect) -> None:
    """While 8 MiB of one client are half-way, another gets its echo; none of its bytes meet the first's."""
    late = connect(buffers=64 * 1024)
    sent = late.send_until_stuck(EIGHT_MIB)
    expect(
        connect().echoes(bytes(256 * 1024)),
        "262,144 zero bytes come back to the second client",
        "clients share what each of them has to have for itself",
    )
    expect(
        late.echoes(EIGHT_MIB, already_sent=sent),
        "all 8,388,608 bytes come back to the first client unchanged",
        "clients share a buffer: static, global, or a member of what all of them use",
    )


def a_signal_does_no_harm(server: Server, connect: Connect) -> None:
    """A signal comes while the server waits, with a client connected; both that one and the next are served."""
    client = connect_and_hold(connect)
    server.interrupt(server.pid)
    expect_it_stays(server, "after a signal", INTERRUPTED)
    expect(client.echoes(b"after"), "a client is served after a signal", INTERRUPTED)
    expect_service(connect, "after a signal")


def a_client_that_gave_up_early_is_survived(new_server: NewServer) -> None:
    """accept fails once with ECONNABORTED: the client has gone before it was accepted."""
    server = new_server(disturb=True)
    expect(server.start(), "the server listens", "see step 1")
    expect_new_client(server, "at first")
    server.settle()
    accept_fails_once(server)
    expect_new_client(server, "after accept failed with ECONNABORTED")


# What several checks share


def expect_accepted(server: Server, client: Client) -> None:
    """The client is taken out of the kernel's queue."""
    expect(
        server.until(client.is_accepted),
        "the client is accepted",
        "accept is not called: whoever should call it waits for something else, or has ended",
    )


def fill_up(server: Server, clients: list[Client]) -> None:
    """The server sleeps in write for each of `clients`, which read no more, and has no room left at all.

    The kernel wakes a writer when a third of its buffer is free, but who is woken by anything else, be it
    a shutdown, goes on with less, and may come to the end of what there is to write. SIGCONT wakes as well.
    An acknowledgement lets the buffer grow; those of what a client reads here are the last.
    """
    for client in clients:
        client.send_until_stuck(EIGHT_MIB)
        client.read_once()
    for _ in range(10):  # who drops what does not fit is never full
        with server.paused():
            pass
        if not any([client.send_until_stuck(EIGHT_MIB) for client in clients]):
            break


def expect_sleep(server: Server, when: str) -> None:
    """The server sleeps, or has ended in order; it must not run on."""
    expect(
        server.sleeps(),
        f"no processor time is used {when}",
        "a loop runs on where it should block, or goes on after an end of file or an error",
    )


def expect_it_stays(server: Server, when: str, cause: str) -> None:
    """Whatever has just happened to it, the server is still there when it sleeps again."""
    server.settle()
    expect(server.stays(), f"the server goes on {when}", cause)


def expect_service(connect: Connect, when: str) -> None:
    """A new client is served from its first byte to its last."""
    client = connect()
    expect(client.echoes(b"still here?"), f"the next client is served {when}", "the server was lost")
    client.finish()
    expect(client.gets_end(), f"the next client gets its end of file {when}", "it was not let go")


def settled_client(server: Server, connect: Connect) -> None:
    """A client comes, is served and leaves, and the server lets it go."""
    client = connect_and_hold(connect)
    server.settle()  # who accepts is back in accept: what the end of a child interrupts
    client.leave()
    server.until(client.is_let_go, quiet=True)


def connect_and_hold(connect: Connect) -> Client:
    """A client comes, is served and stays."""
    client = connect()
    expect(client.is_served(), '"hi" comes back', "clients are not served")
    return client


def accept_fails_once(server: Server) -> None:
    """accept fails with ECONNABORTED, and the server goes on."""
    cause = "that failure is one client's, not the listener's: call accept again"
    with server.failing("accept", errno.ECONNABORTED):
        # The accept that waits already goes on; the one after it fails.
        expect_new_client(server, "while accept fails with ECONNABORTED", cause)
    expect_it_stays(server, "after accept failed with ECONNABORTED", cause)


def client_of_a_failed_fork(new_server: NewServer, **options: int) -> tuple[Server, Client]:
    """A server, and the client for whom its fork, or its thread's creation, has failed."""
    server = new_server(disturb=True, **options)
    expect(server.start(), "the server listens", "see step 1")
    expect_new_client(server, "at first", "clients are not served: see the steps before")
    server.settle()
    with server.failing("fork", errno.EAGAIN):
        lost = Client(server)
        expect(lost.connects(), "a client can connect", "nobody listens any more")
    return server, lost


def expect_new_client(
    server: Server, when: str, cause: str = "a failure that passes must not end the server"
) -> None:
    """One more client comes, is served, and leaves."""
    client = Client(server)
    expect(client.connects(), f"a client can connect {when}", cause)
    expect(client.echoes(b"still here?"), f"a client is served {when}", cause)
    client.leave()
    server.until(client.is_let_go, quiet=True)


def expect_lost_client_is_let_go(server: Server, lost: Client) -> None:
    """The client for whom there is nobody does not wait for ever."""
    lost.send(b"hello?")
    expect(
        server.until(lambda: lost.is_cut() or lost.has_data()),
        "the client for whom there is nobody sees the end of its connection",
        "the descriptor of the client is not closed when its process or thread cannot be made",
    )
    expect_it_stays(server, "although one client is lost", "a failure that passes ends the server")


def started(new_server: NewServer, **options: int) -> Server:
    """A server that listens, with its own number of slots or threads."""
    server = new_server(**options)
    expect(server.start(), "the server listens", "see step 1")
    return server


def connect_to(server: Server, *, buffers: int | None = None) -> Client:
    """One more client of `server`, connected by the kernel at least; `buffers` as in Client."""
    client = Client(server, buffers=buffers)
    expect(client.connects(), "a client can connect", "nobody listens any more")
    return client


def sigterm_ends_it_at_idle_with_status_0(server: Server, connect: Connect) -> None:
    """With no client connected, SIGTERM ends the server in order: its exit status is 0."""
    settled_client(server, connect)
    server.settle()
    expect_clean_end(
        server,
        "SIGTERM is ignored, or nobody wakes the thread that accepts",
        "a thread sleeps on a condition variable for good: a stop has to wake all that wait, not one",
    )


def sigterm_lets_clients_go_in_order(server: Server, connect: Connect) -> None:
    """With three clients connected, SIGTERM ends the server, and each sees an end of file, no reset."""
    clients = [connect_and_hold(connect) for _ in range(3)]
    expect_clean_end(server, "a thread sleeps in read for a client that says nothing")
    for client in clients:
        expect(
            client.gets_end(),
            "each client sees the end of file when the server stops",
            "connections have to be shut down and closed, not cut",
        )


def sigterm_ends_it_although_clients_do_not_read(new_server: NewServer) -> None:
    """SIGTERM comes while the server is blocked in write by two clients that do not read, and one waits."""
    server = started(new_server, slots=2, threads=2)
    stuck = [connect_to(server, buffers=64 * 1024) for _ in range(2)]
    fill_up(server, stuck)
    for client in stuck:
        expect_accepted(server, client)
    connect_to(server)
    expect_it_stays(server, "while its clients do not read", "it is lost when its clients do not read")
    expect_clean_end(server, "nobody wakes the thread that waits for who serves those clients")


def expect_clean_end(server: Server, cause: str, waiting: str | None = None) -> None:
    """SIGTERM ends the server with exit status 0, and leaves no process behind.

    `waiting` is the cause where a thread is left that waits on a condition variable.
    """
    server.signal(signal.SIGTERM)
    expected = "the server ends on SIGTERM with exit status 0"
    ended = server.until(server.has_ended)
    tasks = server.tasks()
    asleep_in = {task.call for task in tasks}
    waits = any(task.call == "futex" and not task.waits_for_a_thread for task in tasks)
    on_a_client = None
    if asleep_in & {"write", "sendto", "writev", "sendmsg"}:
        on_a_client = "a thread sleeps in write for a client that does not read: SHUT_RD does not wake it"
    elif asleep_in & {"read", "recvfrom", "readv", "recvmsg"}:
        on_a_client = "a thread sleeps in read for a client that says nothing: shut its connection down"
    if asleep_in & {"accept", "accept4"}:
        cause = "SIGTERM is ignored, or nobody wakes the thread that accepts: shut the listener down"
    elif on_a_client and waits:
        cause = f"{on_a_client}; and another waits on a condition variable: maybe for that, or {waiting or cause}"
    elif on_a_client:
        cause = on_a_client
    elif waits:
        cause = waiting or cause
    expect(ended, expected, cause)
    if server.exit_code:
        cause = "SIGTERM does what it does by default: it kills"
        fail(expected, server.describe(), diagnosis.exit_cause(server.exit_code) or cause)
