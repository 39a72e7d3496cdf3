"""Lesson 3, multi thread: what a server with a thread per client and a table of slots must do."""

import behaviour
from behaviour import Connect, NewServer, connect_and_hold, settled_client

from echolab.client import Client
from echolab.server import Server
from echolab.storm import storm
from echolab.verdict import Outcome, check, expect, fail

SLOTS = 4
FIVE_HUNDRED = 500

# Step 1: a thread per client

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
after_a_half_close_everything_comes_back_then_the_end = check(step=1, area="echo", points=2)(
    behaviour.after_a_half_close_everything_comes_back_then_the_end
)
a_silent_client_holds_nobody_up = check(step=1, area="concurrency", points=4)(
    behaviour.a_silent_client_holds_nobody_up
)
sixty_four_clients_at_once_each_get_their_own_bytes = check(step=1, area="concurrency", points=2)(
    behaviour.sixty_four_clients_at_once_each_get_their_own_bytes
)


each_client_gets_its_own_bytes = check(step=1, area="concurrency", points=2)(
    behaviour.each_client_gets_its_own_bytes
)


@check(step=1, area="concurrency", points=3)
def all_clients_are_served_by_one_process(server: Server, connect: Connect) -> None:
    """Three clients that are served at once are held by one and the same process, the listener's."""
    clients = [connect_and_hold(connect) for _ in range(3)]
    processes = {server.serving(client) for client in clients}
    if processes != {server.pid}:
        fail(
            "three clients held by the process that listens",
            f"the clients are held by {len(processes)} processes; {server.describe()}",
            "this lesson's clients are served by threads, not by processes",
        )


a_signal_does_no_harm = check(step=1, area="eintr", points=2)(behaviour.a_signal_does_no_harm)


# Step 2: release the thread


@check(step=2, area="threads", points=4)
def threads_end_with_their_clients(server: Server, connect: Connect) -> None:
    """After 20 clients have left there are as many threads as after the first."""
    settled_client(server, connect)
    server.settle()
    before = server.threads_alive()
    for client in [connect_and_hold(connect) for _ in range(20)]:
        client.leave()
    returned = server.until(lambda: server.threads_alive() <= before)
    expect(
        Outcome(returned.ok, f"{server.threads_alive()} threads; {server.describe()}"),
        f"{before} threads, as before",
        "a thread goes on after its client has left",
    )


@check(step=2, area="threads", points=8)
def stacks_do_not_pile_up(new_server: NewServer) -> None:
    """500 clients come and leave, twice; the second 500 leave no more stacks mapped than the first."""
    # So many slots that none is needed twice: that is step 4's concern.
    server = behaviour.started(new_server, slots=4 * FIVE_HUNDRED)
    mapped = []
    for number in (8, FIVE_HUNDRED, FIVE_HUNDRED):  # a few first: 500 threads that run on would keep the machine
        expect(
            storm(server, number, at_once=8),
            f"each of {number} clients gets its byte back",
            "threads, slots or memory run out",
        )
        expect(
            Outcome(server.settle(), server.describe()),
            "the server sleeps when its clients have left",
            "a thread goes on after its client has left",
        )
        mapped.append(server.mapped_stacks())
    # The C library keeps a few stacks for the next threads; who releases none keeps them all.
    _, first, second = mapped
    if second > first + FIVE_HUNDRED // 5:
        fail(
            f"about {first} mapped stacks after the second 500 clients, as after the first",
            f"{second} are mapped",
            "a thread that has ended keeps its stack until it is joined; nobody joins it, and it was "
            "not detached",
        )


# Step 3: take a slot, waiting when all are taken


@check(step=3, area="slots", points=12)
def one_client_too_many_waits(new_server: NewServer) -> None:
    """With all slots taken, the next client is connected and not served."""
    server, served = all_slots_taken(new_server)
    waiting = behaviour.connect_to(server)
    waiting.send(b"hello")
    server.settle()
    if waiting.has_data():
        fail(
            f"no answer for client {len(served) + 1} while {server.slots} others are served",
            "it is served at once",
            "the table is not looked at, or grows: as many clients are served as there are slots",
        )
    expect_it_is_not_lost(server)
    for client in served:
        expect(client.echoes(b"hi"), "the clients in the slots are served on", "they were lost")


@check(step=3, area="cpu", points=8)
def waiting_for_a_slot_takes_no_processor_time(new_server: NewServer) -> None:
    """With all slots taken and a client waiting, the server sleeps, and does not look again and again."""
    server, served = all_slots_taken(new_server)
    waiting = behaviour.connect_to(server)
    waiting.send(b"hello")
    behaviour.expect_sleep(server, "while all slots are taken")
    # Who is woken by an event serves now, or (before step 4) never. Who looks at intervals, later.
    served[0].leave()
    if not server.until(waiting.has_data, quiet=True) and server.until(waiting.has_data):
        fail(
            "the client that waits for a slot is served as soon as one is free",
            "everybody sleeps on, though a slot is free; it is served when a sleep comes to its end",
            "the slot is looked for at intervals: sleep on a condition variable, and be woken",
        )


# Step 4: give it back


@check(step=4, area="slots", points=4)
def who_waits_is_served_when_another_leaves(new_server: NewServer) -> None:
    """With all slots taken, a client waits; when one of the others leaves, it is served."""
    server, served = all_slots_taken(new_server)
    waiting = behaviour.connect_to(server)
    waiting.send(b"hello")
    server.settle()
    if waiting.has_data():
        fail("the client waits for a slot", "it is served at once", "take() does not wait: step 3")
    served[0].leave()
    expect(
        waiting.gets(b"hello"),
        "the client that waited is served once another has left",
        "the slot is not given back, or nobody is woken when it is",
    )


@check(step=4, area="slots", points=3)
def slots_are_used_again_and_again(new_server: NewServer) -> None:
    """Three times as many clients as there are slots come one after another; all are served."""
    server = behaviour.started(new_server, slots=SLOTS)
    expect(
        storm(server, 3 * server.slots, at_once=1),
        f"{3 * server.slots} clients in a row are served with {server.slots} slots",
        "a slot is lost with each client, until none is left",
    )


@check(step=4, area="slots", points=2)
def nobody_is_lost_when_twice_as_many_come_at_once(new_server: NewServer) -> None:
    """Twice as many clients as there are slots are connected at the same time; all get their turn."""
    server = behaviour.started(new_server, slots=SLOTS)
    expect(
        storm(server, 6 * server.slots, at_once=2 * server.slots),
        f"{6 * server.slots} clients are served, {2 * server.slots} at a time",
        "a wake-up is lost, or two clients get one slot",
    )


no_two_threads_meet_in_the_same_memory = check(
    step=4, area="threads", points=3, needs_source=True
)(behaviour.no_two_threads_meet_in_the_same_memory)
nothing_is_read_or_written_out_of_bounds = check(
    step=4, area="threads", points=2, needs_source=True
)(behaviour.nothing_is_read_or_written_out_of_bounds)


# Step 5: serve without losing a slot when something fails


@check(step=5, area="robustness", points=4)
def a_failed_thread_costs_only_that_client(new_server: NewServer) -> None:
    """pthread_create fails once with EAGAIN: that client may be lost, the server and the slot are not."""
    server, _ = behaviour.client_of_a_failed_fork(new_server, slots=1)
    for _ in range(2):
        behaviour.expect_new_client(
            server,
            "after a thread could not be created",
            "that must not end the server, and the slot has to be given back",
        )


@check(step=5, area="fds", points=3)
def a_failed_thread_leaves_nobody_waiting(new_server: NewServer) -> None:
    """The client for whom there is no thread is let go, so that it does not wait for ever."""
    behaviour.expect_lost_client_is_let_go(*behaviour.client_of_a_failed_fork(new_server))


@check(step=5, area="slots", points=3)
def a_failed_accept_costs_no_slot(new_server: NewServer) -> None:
    """With one slot, accept fails with ECONNABORTED; the next clients are served all the same."""
    server = behaviour.started(new_server, slots=1, disturb=True)
    behaviour.expect_new_client(server, "at first")
    server.settle()
    behaviour.accept_fails_once(server)
    for _ in range(2):
        behaviour.expect_new_client(
            server,
            "after accept failed with ECONNABORTED",
            "accept is called again, but the slot taken for that client is not given back",
        )


@check(step=5, area="slots", points=2)
def a_reset_costs_no_slot(new_server: NewServer) -> None:
    """With one slot, two clients are reset one after the other; the next is served all the same."""
    server = behaviour.started(new_server, slots=1)
    for _ in range(2):
        lost = Client(server)
        expect(lost.connects(), "a client can connect", "a read that fails ends the whole server")
        expect(lost.is_served(), "a client is served", "the slot of a client that was reset is lost")
        lost.reset()
        server.until(lost.is_let_go, quiet=True)
        behaviour.expect_it_stays(server, "after a reset", "a read that fails ends the whole server")
    behaviour.expect_new_client(server, "after resets", "the slot of a client that was reset is lost")


running_out_of_descriptors_is_survived = check(step=5, area="robustness", points=2)(
    behaviour.running_out_of_descriptors_is_survived
)
a_reset_while_it_reads_costs_only_that_client = check(step=5, area="robustness", points=2)(
    behaviour.a_reset_while_it_reads_costs_only_that_client
)
a_reset_while_it_writes_costs_only_that_client = check(step=5, area="robustness", points=2)(
    behaviour.a_reset_while_it_writes_costs_only_that_client
)


# Step 6: stop cleanly on SIGTERM

sigterm_ends_it_at_idle_with_status_0 = check(step=6, area="shutdown", points=4)(
    behaviour.sigterm_ends_it_at_idle_with_status_0
)
sigterm_lets_clients_go_in_order = check(step=6, area="shutdown", points=6)(
    behaviour.sigterm_lets_clients_go_in_order
)


@check(step=6, area="shutdown", points=3)
def sigterm_ends_it_while_it_waits_for_a_slot(new_server: NewServer) -> None:
    """SIGTERM comes while all slots are taken and one more client waits."""
    server, _ = all_slots_taken(new_server)
    behaviour.connect_to(server)
    behaviour.expect_it_stays(server, "while a client waits", "it is lost when all slots are taken")
    behaviour.expect_clean_end(server, "nobody wakes the thread that waits for a slot")


sigterm_ends_it_although_clients_do_not_read = check(step=6, area="shutdown", points=3, long=True)(
    behaviour.sigterm_ends_it_although_clients_do_not_read
)


def all_slots_taken(new_server: NewServer) -> tuple[Server, list[Client]]:
    """A server and as many clients, all of them served, as it has slots."""
    server = behaviour.started(new_server, slots=SLOTS)
    clients = [behaviour.connect_to(server) for _ in range(server.slots)]
    for number, client in enumerate(clients, 1):
        served = client.is_served()
        expect_it_is_not_lost(server)
        expect(
            served,
            f"client {number} is served: there are {server.slots} slots",
            "fewer clients are served at once than there are slots",
        )
    return server, clients


def expect_it_is_not_lost(server: Server) -> None:
    behaviour.expect_it_stays(server, "while all slots are taken", "it was lost when all slots were taken")
