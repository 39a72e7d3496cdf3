"""Lesson 1, single process: what a server of one client at a time must do."""

import signal
from dataclasses import replace

import behaviour
from behaviour import EIGHT_MIB, Connect, expect_accepted, expect_sleep

from echolab.client import Client
from echolab.server import Server
from echolab.verdict import check, expect, fail

# Step 1: open the listener


it_listens_where_it_was_told_to = check(step=1, area="startup", points=6)(
    behaviour.it_listens_where_it_was_told_to
)
a_taken_port_is_said_and_ends_it = check(step=1, area="startup", points=6)(
    behaviour.a_taken_port_is_said_and_ends_it
)
it_starts_again_at_once_on_the_port_it_just_used = check(step=1, area="startup", points=4)(
    behaviour.it_starts_again_at_once_on_the_port_it_just_used
)


# Step 2: accept, also when interrupted


@check(step=2, area="startup", points=5)
def a_client_is_let_in(server: Server, client: Client) -> None:
    """A client that has connected is accepted: it leaves the kernel's queue."""
    expect_accepted(server, client)


@check(step=2, area="eintr", points=5)
def a_signal_while_it_waits_for_clients_does_no_harm(server: Server, connect: Connect) -> None:
    """accept that a signal handler interrupts fails with EINTR; the next client is accepted all the same."""
    server.interrupt(server.pid)
    cause = "EINTR is taken for a failure of the listener: call accept again"
    behaviour.expect_it_stays(server, "after a signal", cause)
    client = connect()
    expect(
        server.until(client.is_accepted),
        "after a signal the next client is accepted",
        cause,
    )


@check(step=2, area="cpu", points=2)
def waiting_for_clients_takes_no_processor_time(server: Server) -> None:
    """With no client, the server sleeps."""
    expect_sleep(server, "waiting for clients")


# Step 3: read what is there


@check(step=3, area="echo", points=6)
def a_single_byte_is_read_at_once(server: Server, client: Client) -> None:
    """What has arrived is read, however little it is: there may never be a newline or a full buffer."""
    expect_still_connected(server, client)
    client.send(b"x")
    expect(
        server.until(client.everything_is_read),
        "the one byte that was sent is read",
        "read is not called, or called on something else than the client",
    )


@check(step=3, area="eintr", points=5)
def a_signal_while_it_waits_for_bytes_does_no_harm(server: Server, client: Client) -> None:
    """read that a signal handler interrupts fails with EINTR; the client is still served."""
    expect_still_connected(server, client)
    server.interrupt(server.serving(client))
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
    expect_accepted(server, client)
    expect_sleep(server, "waiting for a silent client")


# Step 4: write all of it


every_byte_value_comes_back = check(step=4, area="echo", points=7)(
    behaviour.every_byte_value_comes_back
)
bytes_sent_one_by_one_come_back_one_by_one = check(step=4, area="echo", points=3)(
    behaviour.bytes_sent_one_by_one_come_back_one_by_one
)
eight_mib_reach_a_client_that_reads_late = check(step=4, area="echo", points=6)(
    behaviour.eight_mib_reach_a_client_that_reads_late
)


@check(step=4, area="eintr", points=4)
def a_signal_in_the_middle_of_a_write_loses_nothing(server: Server, connect: Connect) -> None:
    """A blocked write that a signal interrupts returns a short count or EINTR; no byte is lost or doubled."""
    client = connect(buffers=64 * 1024)
    # An odd part first: else the kernel's own pieces may end where the server's writes do, and none is cut.
    sent = client.send_until_stuck(EIGHT_MIB[:300_001])
    server.settle()
    sent += client.send_until_stuck(EIGHT_MIB[sent:])
    expect_accepted(server, client)
    # The first signal cuts a write short; the next ones find one that has taken nothing: EINTR.
    for _ in range(3):
        if client.is_waited_for():
            break  # it had room after all, has written everything, and sleeps in read
        server.interrupt(server.serving(client))
    came = client.echoes(EIGHT_MIB, already_sent=sent)
    if server.exit_code is None:  # whatever the bytes look like, it is the signal that was new to it
        came = replace(came, cause=None)
    expect(
        came,
        "all 8,388,608 bytes come back unchanged, although a signal came while the server was blocked in write",
        "go on behind the bytes that write took, and again after EINTR",
    )


@check(step=4, area="cpu", points=2)
def waiting_for_a_client_that_does_not_read_takes_no_processor_time(
    server: Server, connect: Connect
) -> None:
    """While the client does not read and every buffer is full, the server sleeps."""
    client = connect(buffers=64 * 1024)
    client.send_until_stuck(EIGHT_MIB)
    expect_accepted(server, client)
    expect_sleep(server, "blocked by a client that does not read")


# Step 5: echo until the client leaves


after_a_half_close_everything_comes_back_then_the_end = check(step=5, area="echo", points=8)(
    behaviour.after_a_half_close_everything_comes_back_then_the_end
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
descriptors_do_not_pile_up = check(step=6, area="fds", points=4)(
    behaviour.descriptors_do_not_pile_up
)
a_reset_while_it_reads_costs_only_that_client = check(step=6, area="robustness", points=4)(
    behaviour.a_reset_while_it_reads_costs_only_that_client
)
a_reset_while_it_writes_costs_only_that_client = check(step=6, area="robustness", points=4)(
    behaviour.a_reset_while_it_writes_costs_only_that_client
)
running_out_of_descriptors_is_survived = check(step=6, area="robustness", points=3)(
    behaviour.running_out_of_descriptors_is_survived
)


sigterm_ends_it_at_idle = check(step=6, area="shutdown", points=2)(
    behaviour.sigterm_ends_it_at_idle
)


@check(step=6, area="shutdown", points=2)
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


def expect_still_connected(server: Server, client: Client) -> None:
    """The client is accepted, and not let go before it has said anything."""
    expect_accepted(server, client)
    server.settle()
    if client.is_cut():
        fail(
            "the client stays connected",
            "its connection was ended before it has sent anything",
            "something else than the client's descriptor is read, or closed",
        )
