"""Lesson 2, multi process: what a server with a process per client must do."""

import errno
import os
import signal
import socket

import behaviour
from behaviour import Connect, NewServer, connect_and_hold, expect_service, settled_client

from echolab import sockets
from echolab.client import Client
from echolab.server import Server
from echolab.stepping import signal_after_interruption
from echolab.storm import storm
from echolab.verdict import Outcome, check, expect, fail

FIFTY = 50
THOUSAND = 1000
# From accept's return to the caller's look at errno: 5 to 20 with optimisation, more without.
INSTRUCTIONS_TO_ERRNO = 40
ENDS_WITH_A_CHILD = "SIGCHLD interrupts accept, which fails with EINTR: call it again"


# Step 1: a child per client

it_listens_where_it_was_told_to = check(step=1, area="startup", points=1)(
    behaviour.it_listens_where_it_was_told_to
)
a_taken_port_is_said_and_ends_it = check(step=1, area="startup", points=1)(
    behaviour.a_taken_port_is_said_and_ends_it
)
it_starts_again_at_once_on_the_port_it_just_used = check(step=1, area="startup", points=1)(
    behaviour.it_starts_again_at_once_on_the_port_it_just_used
)
every_byte_value_comes_back = check(step=1, area="echo", points=1)(
    behaviour.every_byte_value_comes_back
)
eight_mib_reach_a_client_that_reads_late = check(step=1, area="echo", points=1)(
    behaviour.eight_mib_reach_a_client_that_reads_late
)
after_a_half_close_everything_comes_back_then_the_end = check(step=1, area="echo", points=1)(
    behaviour.after_a_half_close_everything_comes_back_then_the_end
)


a_silent_client_holds_nobody_up = check(step=1, area="concurrency", points=3)(
    behaviour.a_silent_client_holds_nobody_up
)


sixty_four_clients_at_once_each_get_their_own_bytes = check(step=1, area="concurrency", points=3)(
    behaviour.sixty_four_clients_at_once_each_get_their_own_bytes
)


@check(step=1, area="concurrency", points=2)
def each_client_has_a_process_of_its_own(server: Server, connect: Connect) -> None:
    """Three clients that are served at once are held by three processes, one each."""
    clients = [connect() for _ in range(3)]
    for client in clients:
        expect(client.echoes(b"hi"), '"hi" comes back to each of three clients', "not served")
    processes = {server.serving(client) for client in clients}
    if len(processes) < len(clients):
        fail(
            "three processes for three clients",
            f"{len(processes)}: {server.describe()}",
            "clients are served by the parent, or several by one child: fork once for each client",
        )


@check(step=1, area="concurrency", points=2)
def a_child_ends_when_its_client_has_left(server: Server, connect: Connect) -> None:
    """After the client has left, there are no more living processes than before it came."""
    settled_client(server, connect)
    behaviour.expect_it_stays(server, "when a child has ended", ENDS_WITH_A_CHILD)
    before = len(server.living())
    settled_client(server, connect)
    expect(
        same_number_of_processes(server, before),
        f"{before} living processes, as before the client came",
        "the child goes on after its client has left, perhaps into the parent's loop: end it with "
        "_exit after the echo",
    )


@check(step=1, area="fds", points=2)
def the_parent_keeps_no_client(server: Server, connect: Connect) -> None:
    """Once a child serves the client, the parent has closed its own descriptor for it."""
    client = connect()
    expect(client.echoes(b"hi"), '"hi" comes back', "the echo does not work yet")
    released = server.until(lambda: len(server.holders(client)) == 1, quiet=True)
    expect(
        Outcome(released.ok, f"{len(server.holders(client))} processes hold it; {server.describe()}"),
        "one process holds the client's connection",
        "parent and child each have to close what is not theirs: after fork both hold the client, "
        "and it never sees the end of file while one of them keeps it",
    )


@check(step=1, area="fds", points=1)
def a_client_sees_the_end_when_its_process_is_killed(server: Server, connect: Connect) -> None:
    """A child that is killed takes its own client with it, and nobody else."""
    client, other = connect(), connect()
    for served in (client, other):
        expect(served.echoes(b"hi"), '"hi" comes back', "the echo does not work yet")
    if server.serving(client) == server.pid:
        fail("a child serves the client", "the parent does", "fork a child for each client")
    os.kill(server.serving(client), signal.SIGKILL)
    expect(
        server.until(client.is_cut),
        "the client whose process was killed sees the end of its connection",
        "another process still holds its descriptor",
    )
    expect(other.echoes(b"still here?"), "the other client is still served", "it was lost too")
    cause = "the end of a child ends the server"
    behaviour.expect_it_stays(server, "after a child was killed", cause)
    expect(
        connect().echoes(b"hello"),
        "a new client is served after a child was killed",
        "whoever reaps that child waits for those that live as well: pass WNOHANG to waitpid",
    )


@check(step=1, area="fds", points=3)
def the_port_is_free_once_the_parent_is_gone(server: Server, client: Client) -> None:
    """When the parent is killed, its port can be taken again, though a child may serve its client on."""
    expect(client.echoes(b"hi"), '"hi" comes back', "the echo does not work yet")
    if server.serving(client) == server.pid:
        fail("a child serves the client", "the parent does", "fork a child for each client")
    os.kill(server.pid, signal.SIGKILL)
    server.until(lambda: server.pid not in server.living())
    if error := why_port_is_taken(server):
        # Where every process accepts by design, whoever listens also serves.
        newcomer = Client(server)
        if not (newcomer.connects() and newcomer.echoes(b"hi")):
            held = sockets.listener(server.host, server.port)
            fail(
                "the port can be bound again while a child serves its client",
                f"binding it fails with {error}, and nobody accepts there: {server.describe()}",
                "the children keep the listener open that they inherited: close it in the child"
                if held
                else "nobody holds the listener, but the clients' connections hold the port: "
                "SO_REUSEADDR has to be set before bind",
            )


# Step 2: reap every child


@check(step=2, area="zombies", points=6)
def a_child_that_ended_is_reaped_by_the_time_the_next_client_is_served(
    server: Server, connect: Connect
) -> None:
    """A child has ended; when the next client is served, it is no zombie any more."""
    settled_client(server, connect)
    server.until(lambda: len(server.living()) <= 1, quiet=True)
    hold_the_next(server, connect)
    expect_no_zombies(server, "waitpid is not called, or not for any child: its first argument is -1")


@check(step=2, area="zombies", points=8)
def children_that_ended_together_are_all_reaped(server: Server, connect: Connect) -> None:
    """50 children end while the parent is stopped; when the next client is served, all are reaped."""
    end_together(server, connect, FIFTY)
    hold_the_next(server, connect)
    expect_no_zombies(
        server, "one call of waitpid reaps one child: call it again until it finds none that ended"
    )


@check(step=2, area="zombies", points=4)
def reaping_does_not_wait_for_the_living(server: Server, connect: Connect) -> None:
    """While some children have ended and others serve on, new clients are accepted all the same."""
    staying = connect_and_hold(connect)
    settled_client(server, connect)
    for _ in range(2):
        hold_the_next(server, connect)
    expect(staying.echoes(b"hi"), "the client that stayed is still served", "it was lost")
    expect_no_zombies(server, "a child that ended is not reaped while others live")


# Step 3: accept through EINTR


@check(step=3, area="eintr", points=6)
def a_signal_while_it_waits_for_clients_does_no_harm(server: Server, connect: Connect) -> None:
    """accept that a signal handler interrupts fails with EINTR; the next client is served all the same."""
    server.interrupt(server.pid)
    cause = "EINTR is taken for a failure of the listener: call accept again"
    behaviour.expect_it_stays(server, "after a signal", cause)
    expect_service(connect, "after a signal")


@check(step=3, area="eintr", points=4)
def a_signal_to_a_child_does_not_drop_its_client(server: Server, client: Client) -> None:
    """A child that is blocked in read gets a signal; its client is still served."""
    expect(client.echoes(b"before"), '"before" comes back', "the echo does not work yet")
    server.interrupt(server.serving(client))
    expect(
        client.echoes(b"after"),
        '"after" comes back although a signal has interrupted the child\'s read',
        "EINTR is taken for the end of the connection: call read again",
    )


# Step 4: install the handler


@check(step=4, area="zombies", points=5)
def no_zombie_is_left_at_idle(server: Server, connect: Connect) -> None:
    """The only client leaves; nobody else comes, and its child is reaped all the same. So is the next."""
    for cause in (
        "nobody reaps while the parent is blocked in accept: SIGCHLD says when a child has ended",
        "the handler runs for the first child only: SA_RESETHAND takes it away",
    ):
        settled_client(server, connect)
        expect_no_zombies(server, cause)


@check(step=4, area="zombies", points=6)
def no_zombie_is_left_when_many_clients_leave_at_once(server: Server, connect: Connect) -> None:
    """50 children end while the parent is stopped: signals coalesce, so one SIGCHLD stands for all."""
    end_together(server, connect, FIFTY)
    expect_no_zombies(
        server, "one SIGCHLD can announce several ended children: reap until none is left"
    )


@check(step=4, area="zombies", points=4)
def no_zombie_is_left_while_others_live(server: Server, connect: Connect) -> None:
    """Some clients leave, others stay: the ended children are reaped, and the server is not held up."""
    staying = [connect_and_hold(connect) for _ in range(3)]
    for _ in range(3):
        settled_client(server, connect)
    expect_no_zombies(server, "reaping ends, or waits, at the first child that still lives")
    for client in staying:
        expect(client.echoes(b"hi"), "clients that stayed are served on", "they were lost")
    expect_service(connect, "while the handler has children left that live")


@check(step=4, area="eintr", points=3)
def the_end_of_a_child_does_not_end_the_server(server: Server, connect: Connect) -> None:
    """SIGCHLD comes while the parent is blocked in accept; the next client is served."""
    for turn in range(3):
        settled_client(server, connect)
        server.settle()
        expect(
            server.stays(),
            f"the server goes on after SIGCHLD (child {turn + 1})",
            ENDS_WITH_A_CHILD,
        )
    expect_service(connect, "after SIGCHLD")


@check(step=4, area="eintr", points=2)
def the_handler_leaves_errno_as_it_was(server: Server) -> None:
    """SIGCHLD comes right after accept has failed with EINTR, before the server has looked at errno."""
    server.settle()
    handled = [n for n in (signal.SIGUSR1, signal.SIGCHLD) if server.would_interrupt(n)]
    if signal.SIGCHLD not in handled:
        return  # no handler runs when a child ends: there is nothing that could change errno
    for instructions in range(INSTRUCTIONS_TO_ERRNO):
        tried = signal_after_interruption(server.pid, handled[0], signal.SIGCHLD, instructions)
        server.settle()
        expect(
            server.stays(),
            "the server goes on: accept has failed with EINTR, and that is what errno says",
            "the handler changes errno (waitpid sets ECHILD): keep it at the start, put it back at "
            "the end",
        )
        if not tried:
            break  # it is past its look at errno, and about to make its next system call


@check(step=4, area="eintr", points=2, long=True)
def a_thousand_children_in_quick_succession_lose_no_client(
    server: Server, connect: Connect
) -> None:
    """1,000 clients come and leave, 16 at a time: SIGCHLD and new clients fall on the same moment."""
    expect(
        storm(server, THOUSAND, at_once=16),
        "each of 1,000 clients gets its byte back",
        "a signal that comes at a bad moment ends the server or costs a client",
    )
    expect_no_zombies(server, "children are left over when many end in quick succession")
    expect_service(connect, "after 1,000 clients")


# Step 5: survive failures of fork and accept


@check(step=5, area="robustness", points=5)
def a_failed_fork_costs_only_that_client(new_server: NewServer) -> None:
    """fork fails once with EAGAIN: that client may be lost, the server and the others are not."""
    server, _ = behaviour.client_of_a_failed_fork(new_server)
    behaviour.expect_new_client(server, "after fork failed with EAGAIN")


@check(step=5, area="fds", points=3)
def a_failed_fork_leaves_nobody_waiting(new_server: NewServer) -> None:
    """The client for whom fork failed is let go, so that it does not wait for ever."""
    behaviour.expect_lost_client_is_let_go(*behaviour.client_of_a_failed_fork(new_server))


a_client_that_gave_up_early_is_survived = check(step=5, area="robustness", points=3)(
    behaviour.a_client_that_gave_up_early_is_survived
)
running_out_of_descriptors_is_survived = check(step=5, area="robustness", points=5)(
    behaviour.running_out_of_descriptors_is_survived
)


# Step 6: stop cleanly on SIGTERM


sigterm_ends_it_at_idle = check(step=6, area="shutdown", points=4)(
    behaviour.sigterm_ends_it_at_idle
)


@check(step=6, area="shutdown", points=8)
def sigterm_leaves_no_process_behind(server: Server, connect: Connect) -> None:
    """With three clients connected, SIGTERM ends the server and every child it has started."""
    clients = [connect_and_hold(connect) for _ in range(3)]
    server.signal(signal.SIGTERM)
    ended = server.until(server.has_ended)
    if not ended and server.exit_code is None:
        for client in clients:  # some let the clients that they have finish first
            client.leave()
        ended = server.until(server.has_ended)
    expect(
        ended,
        "no process is left after SIGTERM",
        "the parent ends and its children live on: end them, and wait until they have ended",
    )


# What several checks share


def end_together(server: Server, connect: Connect, number: int) -> None:
    """`number` children end while the parent is stopped, so that it is told of all of them at once."""
    server.settle()
    before = len(server.living())
    crowd = [connect_and_hold(connect) for _ in range(number)]
    server.settle()
    with server.paused():
        for client in crowd:
            client.leave()
        expect(
            same_number_of_processes(server, before),
            f"the children of {number} clients that have left end",
            "a child goes on after its client has left",
        )


def hold_the_next(server: Server, connect: Connect) -> None:
    """The next client is served, and stays: whoever reaps must not wait for the living meanwhile."""
    server.settle()  # what the end of a child does has been done: of a signal and a client, accept takes the client
    served = connect().is_served()
    waits = any(task.call in ("wait4", "waitid") for task in server.tasks())
    expect(
        served,
        "the next client is served, whichever children have ended and whichever have not",
        "waitpid waits for children that still live: pass WNOHANG" if waits else "clients are not served",
    )


def same_number_of_processes(server: Server, before: int) -> Outcome:
    reached = server.until(lambda: len(server.living()) <= before)
    return Outcome(reached.ok, f"{len(server.living())} living processes: {server.describe()}")


def expect_no_zombies(server: Server, cause: str) -> None:
    """There are none once the server sleeps: then nobody is about to reap."""
    reaped = server.until(lambda: server.children_are_reaped())
    expect(reaped, "no zombie is left", cause)
    behaviour.expect_it_stays(server, "when a child has ended", "the end of a child ends the server")


def why_port_is_taken(server: Server) -> str | None:
    """The error with which a new server would fail to take the port; None if it can be had."""
    with socket.socket() as newcomer:
        newcomer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            newcomer.bind((server.host, server.port))
            newcomer.listen()
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, str(error))
    return None
