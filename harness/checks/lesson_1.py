"""Lesson 1, single process: what a server of one client at a time must do."""

import random
import signal
import socket
from collections.abc import Callable

from echolab.client import Client
from echolab.procfs import Task
from echolab.server import Server
from echolab.verdict import Blocked, Outcome, check, expect, fail

EVERY_BYTE = bytes(range(256))
EIGHT_MIB = random.Random(8).randbytes(8 << 20)

Connect = Callable[..., Client]
NewServer = Callable[..., Server]


# Step 1: open the listener


@check(step=1, area="startup", points=6)
def it_listens_where_it_was_told_to(new_server: NewServer) -> None:
    """The port and address of the command line are the ones that clients find it on."""
    server = new_server(host="127.0.0.2")
    if not server.command.takes("host"):
        server = new_server()
    expect(
        server.start(),
        f"a listener on {server.host}:{server.port}",
        "socket, bind and listen have to succeed on that address, in network byte order",
    )


@check(step=1, area="startup", points=6)
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


@check(step=1, area="startup", points=4)
def it_starts_again_at_once_on_the_port_it_just_used(new_server: NewServer) -> None:
    """Old connections of the port in TIME_WAIT do not keep it from listening."""
    server = new_server()
    with server.leave_old_connection():
        expect(
            server.start(),
            f"a listener on port {server.port}, although an old connection of that port lingers",
            "SO_REUSEADDR has to be set before bind: without it bind fails for a minute",
        )


# Step 2: accept, also when interrupted


@check(step=2, area="startup", points=5)
def a_client_is_let_in(server: Server, client: Client) -> None:
    """A client that has connected is accepted: it leaves the kernel's queue."""
    expect(server.until(client.is_accepted), "the client is accepted", "accept is not called")


@check(step=2, area="eintr", points=5)
def a_signal_while_it_waits_for_clients_does_no_harm(server: Server, connect: Connect) -> None:
    """accept that a signal handler interrupts fails with EINTR; the next client is accepted all the same."""
    interrupt(server, server.asleep_in_accept, "accept")
    client = connect()
    expect(
        server.until(client.is_accepted),
        "after a signal the next client is accepted",
        "EINTR is taken for a failure of the listener: call accept again",
    )


@check(step=2, area="cpu", points=2)
def waiting_for_clients_takes_no_processor_time(server: Server) -> None:
    """With no client, the server sleeps."""
    expect_sleep(server, "waiting for clients")


# Step 3: read what is there


@check(step=3, area="echo", points=6)
def a_single_byte_is_read_at_once(server: Server, client: Client) -> None:
    """What has arrived is read, however little it is: there may never be a newline or a full buffer."""
    client.send(b"x")
    expect(
        server.until(client.everything_is_read),
        "the one byte that was sent is read",
        "read is not called, or called on something else than the client",
    )


@check(step=3, area="eintr", points=5)
def a_signal_while_it_waits_for_bytes_does_no_harm(server: Server, client: Client) -> None:
    """read that a signal handler interrupts fails with EINTR; the client is still served."""
    expect(server.until(client.is_accepted), "the client is accepted", "accept is not called")
    interrupt(server, server.asleep_in_read, "read")
    client.send(b"x")
    expect(
        server.until(lambda: client.is_cut() or client.everything_is_read()),
        "after a signal the client's next byte is read",
        "read is not called again after EINTR",
    )
    if client.is_cut():
        fail(
            "after a signal the client is still served",
            "its connection was ended",
            "EINTR is taken for the end of the connection: call read again",
        )


@check(step=3, area="cpu", points=3)
def waiting_for_bytes_takes_no_processor_time(server: Server, client: Client) -> None:
    """While its client is silent, the server sleeps."""
    expect(server.until(client.is_accepted), "the client is accepted", "accept is not called")
    expect_sleep(server, "waiting for a silent client")


# Step 4: write all of it


@check(step=4, area="echo", points=7)
def every_byte_value_comes_back(client: Client) -> None:
    """The echo is exact for all 256 values, zero and newline among them: bytes are not text."""
    expect(
        client.echoes(EVERY_BYTE),
        "the 256 bytes that were sent, and no more",
        "write what read returned: that many bytes, from the start of the buffer",
    )


@check(step=4, area="echo", points=3)
def bytes_sent_one_by_one_come_back_one_by_one(client: Client) -> None:
    """Each byte is echoed before the next is sent, without a newline."""
    for byte in b"echo":
        expect(
            client.echoes(bytes([byte])),
            f'"{chr(byte)}" comes back before anything else is sent',
            "the server waits for more than there is",
        )


@check(step=4, area="echo", points=6)
def eight_mib_reach_a_client_that_reads_late(connect: Connect) -> None:
    """A client that reads only when everything is full gets all 8 MiB, unchanged."""
    client = connect(buffers=64 * 1024)
    sent = client.send_until_stuck(EIGHT_MIB)
    expect(
        client.echoes(EIGHT_MIB, already_sent=sent),
        "8,388,608 bytes, the same",
        "write took fewer bytes than it was given, and the rest was dropped",
    )


@check(step=4, area="eintr", points=4)
def a_signal_in_the_middle_of_a_write_loses_nothing(server: Server, connect: Connect) -> None:
    """A blocked write that a signal interrupts returns a short count or EINTR; no byte is lost or doubled."""
    client = connect(buffers=64 * 1024)
    sent = client.send_until_stuck(EIGHT_MIB)
    interrupt(server, server.asleep_in_write, "write")
    expect(
        client.echoes(EIGHT_MIB, already_sent=sent),
        "8,388,608 bytes, the same, although a signal came while the server was blocked in write",
        "go on behind the bytes that write took, and again after EINTR",
    )


@check(step=4, area="cpu", points=2)
def waiting_for_a_client_that_does_not_read_takes_no_processor_time(
    server: Server, connect: Connect
) -> None:
    """While the client does not read and every buffer is full, the server sleeps."""
    client = connect(buffers=64 * 1024)
    client.send_until_stuck(EIGHT_MIB)
    expect(server.until(client.is_accepted), "the client is accepted", "accept is not called")
    expect_sleep(server, "blocked by a client that does not read")


# Step 5: echo until the client leaves


@check(step=5, area="echo", points=8)
def after_a_half_close_everything_comes_back_then_the_end(client: Client) -> None:
    """A client that says "I send no more" still gets all its bytes, and then the server's end of file."""
    data = EIGHT_MIB[: 1 << 20]
    expect(client.echoes(data, then_finish=True), "1,048,576 bytes, the same", "bytes are lost")
    expect(
        client.gets_end(),
        "the server's end of file, after the last byte",
        "read returned 0 and was called again, or the client's descriptor is never closed",
    )


@check(step=5, area="cpu", points=4)
def a_client_that_has_left_takes_no_processor_time(server: Server, client: Client) -> None:
    """When its client has closed the connection, the server ends that echo and sleeps again."""
    expect(client.echoes(b"bye"), '"bye" comes back', "the echo does not work yet")
    client.leave()
    expect_sleep(server, "after its client has left")


# Step 6: one client after another, whatever clients do


@check(step=6, area="concurrency", points=5)
def a_second_client_gets_its_turn(connect: Connect) -> None:
    """A client that comes while another is served waits in the kernel's queue, and is served after it."""
    first, second = connect(), connect()
    expect(first.echoes(b"first"), '"first" comes back', "the echo does not work yet")
    second.send(b"second")
    first.leave()
    expect(
        second.gets(b"second"),
        '"second" comes back once the first client has left',
        "the server ends, or stops accepting, after its first client",
    )


@check(step=6, area="fds", points=4)
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


@check(step=6, area="robustness", points=4)
def a_reset_while_it_reads_costs_only_that_client(server: Server, connect: Connect) -> None:
    """A client whose connection is reset (read fails with ECONNRESET) does not take the server with it."""
    lost = connect()
    expect(lost.echoes(b"hi"), '"hi" comes back', "the echo does not work yet")
    lost.reset()
    expect_service(connect, "after a client's reset")


@check(step=6, area="robustness", points=4)
def a_reset_while_it_writes_costs_only_that_client(server: Server, connect: Connect) -> None:
    """A client that never reads, and then is gone, makes write fail with EPIPE or ECONNRESET; no more."""
    lost = connect(buffers=64 * 1024)
    lost.send_until_stuck(EIGHT_MIB)
    expect(server.until(lost.is_accepted), "the client is accepted", "accept is not called")
    lost.reset()
    expect_service(connect, "after a client was reset while the server was writing to it")


@check(step=6, area="robustness", points=3)
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
    expect_service(connect, "after accept failed with EMFILE")


@check(step=6, area="shutdown", points=4)
def sigterm_ends_it_while_it_serves(server: Server, client: Client) -> None:
    """SIGTERM ends the server, in the middle of a client too, and leaves no process behind."""
    expect(client.echoes(b"hi"), '"hi" comes back', "the echo does not work yet")
    server.signal(signal.SIGTERM)
    if not server.until(server.has_ended, quiet=True):
        client.leave()  # some finish with the client they have
    expect(
        server.until(lambda: not server.processes()),
        "no process is left after SIGTERM",
        "SIGTERM is ignored, or processes are left behind",
    )


# What several checks share


def interrupt(server: Server, asleep: Callable[[], Task | None], call: str) -> None:
    """Interrupts the server's blocked `call` with a real signal, and waits until it has noticed."""
    if not server.catches(signal.SIGUSR1):
        raise Blocked(f"it has no handler for SIGUSR1, so {call} cannot be interrupted from outside")
    blocked = server.until(asleep)
    if not blocked:
        fail(f"the server is asleep in {call}", blocked.observed, f"{call} is not called")
    server.wake(blocked.value)


def expect_sleep(server: Server, when: str) -> None:
    """The server sleeps, or has ended in order; it must not run on."""
    expect(
        server.sleeps(),
        f"no processor time is used {when}",
        "a loop runs on where it should block, or goes on after an end of file or an error",
    )


def expect_service(connect: Connect, when: str) -> None:
    """A new client is served from its first byte to its last."""
    client = connect()
    expect(client.echoes(b"still here?"), f"the next client is served {when}", "the server was lost")
    client.finish()
    expect(client.gets_end(), f"the next client gets its end of file {when}", "it was not let go")
