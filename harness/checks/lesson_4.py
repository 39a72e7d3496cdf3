"""Lesson 4, thread pool: what a server with a queue and a fixed number of workers must do."""

import behaviour
from behaviour import Connect, NewServer, expect_service

from echolab.client import Client
from echolab.server import Server
from echolab.stepping import held
from echolab.storm import storm
from echolab.verdict import check, expect, fail

WORKERS = 3
FIVE_HUNDRED = 500
LOOK_AGAIN = "a worker that was woken and finds nothing has to look again, in a loop"

# Step 1: a blocking queue

it_listens_where_it_was_told_to = check(step=1, area="startup", points=2)(
    behaviour.it_listens_where_it_was_told_to
)
a_taken_port_is_said_and_ends_it = check(step=1, area="startup", points=2)(
    behaviour.a_taken_port_is_said_and_ends_it
)
it_starts_again_at_once_on_the_port_it_just_used = check(step=1, area="startup", points=2)(
    behaviour.it_starts_again_at_once_on_the_port_it_just_used
)
every_byte_value_comes_back = check(step=1, area="echo", points=6)(
    behaviour.every_byte_value_comes_back
)
eight_mib_reach_a_client_that_reads_late = check(step=1, area="echo", points=6)(
    behaviour.eight_mib_reach_a_client_that_reads_late
)
after_a_half_close_everything_comes_back_then_the_end = check(step=1, area="echo", points=6)(
    behaviour.after_a_half_close_everything_comes_back_then_the_end
)


# Step 2: the worker


@check(step=2, area="pool", points=5)
def a_worker_goes_on_to_its_next_client(new_server: NewServer) -> None:
    """More clients than workers come one after another; all are served."""
    server = behaviour.started(new_server, threads=WORKERS)
    for _ in range(2 * server.threads + 1):
        behaviour.expect_new_client(server, "one after another", "a worker ends with its client")


@check(step=2, area="pool", points=5)
def a_worker_survives_its_clients_reset(new_server: NewServer) -> None:
    """As many clients as there are workers, and one more, are reset; the next is served."""
    server = behaviour.started(new_server, threads=WORKERS)
    for _ in range(server.threads + 1):
        lost = behaviour.connect_to(server)
        expect(lost.is_served(), "a client is served after others were reset", "a worker has died")
        lost.reset()
        server.until(lost.is_let_go, quiet=True)
    behaviour.expect_new_client(server, "after resets", "each reset has cost a worker")


a_reset_while_it_writes_costs_only_that_client = check(step=2, area="robustness", points=4)(
    behaviour.a_reset_while_it_writes_costs_only_that_client
)
descriptors_do_not_pile_up = check(step=2, area="fds", points=3)(
    behaviour.descriptors_do_not_pile_up
)


@check(step=2, area="cpu", points=3)
def waiting_for_clients_takes_no_processor_time(server: Server, connect: Connect) -> None:
    """When its clients have left, the whole pool sleeps."""
    behaviour.settled_client(server, connect)
    behaviour.expect_sleep(server, "after its client has left")
    expect_service(connect, "after everybody slept")


# Step 3: the pool and its end


@check(step=3, area="concurrency", points=4)
def as_many_clients_as_workers_are_served_at_once(new_server: NewServer) -> None:
    """As many clients as there are workers are connected at the same time, and all of them are served."""
    all_workers_busy(new_server)


each_client_gets_its_own_bytes = check(step=3, area="concurrency", points=3)(
    behaviour.each_client_gets_its_own_bytes
)


@check(step=3, area="pool", points=4)
def one_client_too_many_waits_for_a_worker(new_server: NewServer) -> None:
    """With all workers busy the next client waits; when one of the others leaves, it is served."""
    server, served = all_workers_busy(new_server)
    waiting = behaviour.connect_to(server)
    waiting.send(b"hello")
    server.settle()
    if waiting.has_data():
        fail(
            f"no answer for client {len(served) + 1} while all {server.threads} workers are busy",
            "it is served at once",
            "there are more workers than --threads says",
        )
    served[0].leave()
    expect(
        waiting.gets(b"hello"),
        "the client that waited is served once a worker is free",
        "a wake-up is lost, or the worker does not come back to the queue",
    )


@check(step=3, area="pool", points=5)
def clients_are_served_in_the_order_of_their_arrival(new_server: NewServer) -> None:
    """With all workers busy three clients come; as one worker is freed again and again, they are served in that order."""
    server, served = all_workers_busy(new_server)
    waiting = []
    for number in range(3):
        client = behaviour.connect_to(server)
        client.send(b"%d" % number)
        server.settle()
        waiting.append(client)
    leaving = served[0]
    for number, client in enumerate(waiting):
        leaving.leave()
        expect(
            client.gets(b"%d" % number),
            f"client {number + 1} of those that wait is served next",
            "the queue is not first in, first out",
        )
        if any(later.has_data() for later in waiting[number + 1 :]):
            fail("later clients wait on", "a later client is served as well", "not in order")
        leaving = client


@check(step=3, area="threads", points=4)
def the_number_of_threads_stays_the_same(new_server: NewServer) -> None:
    """Before, while and after clients are served there are as many threads, all of one process."""
    server = behaviour.started(new_server, threads=WORKERS)
    before = server.threads_alive()
    clients = [behaviour.connect_to(server)]
    expect(clients[0].is_served(), "a client is served", "the pool does not work yet")
    clients += [behaviour.connect_to(server) for _ in range(server.threads + 1)]
    server.settle()
    while_busy = server.threads_alive()
    if while_busy != before or before < server.threads:
        fail(
            f"{server.threads} workers, and the same number of threads with clients as without",
            f"{before} threads before the first client, {while_busy} while {len(clients)} are there",
            "the pool starts all its workers at once, as many as --threads says, and no others later",
        )
    if len(server.living()) > 1:
        fail("one process", server.describe(), "the pool consists of threads, not of processes")


# Step 4: serve through the pool


@check(step=4, area="pool", points=5)
def nobody_is_lost_when_many_come_at_once(new_server: NewServer) -> None:
    """500 clients come, 32 at a time, for 3 workers; then two workers are after one client: nobody is lost."""
    server = behaviour.started(new_server, threads=WORKERS)
    server.settle()
    first = server.threads_alive()
    expect(
        storm(server, FIVE_HUNDRED, at_once=32),
        "each of 500 clients gets its byte back",
        "a client is dropped when the queue is full, or a wake-up is lost",
    )
    server.settle()
    before = server.threads_alive()
    if before > first + server.threads:
        fail(
            f"{first} threads after 500 clients, as before",
            f"{before}: {server.describe()}",
            "more workers than --threads says are started, and never end",
        )
    if before < first:
        fail(f"{first} threads after 500 clients, as before", f"{before}: {server.describe()}", LOOK_AGAIN)
    two_are_after_one_client(server)


def two_are_after_one_client(server: Server) -> None:
    """A client comes, and a worker that waits for one is woken; before it looks, another has taken the client."""
    clients = [behaviour.connect_to(server) for _ in range(server.threads)]
    if not all(client.is_served() for client in clients):
        return  # step 3 says that fewer are served at once, and why
    first, *others = clients
    for client in others:
        client.leave()
    server.settle()
    with held(task.tid for task in server.tasks() if task.call == "futex"):
        second = behaviour.connect_to(server)
        second.send(b"hello")
        server.settle()
        first.leave()
        server.until(second.has_data, quiet=True)
    clients = [second] + [behaviour.connect_to(server) for _ in range(server.threads - 1)]
    for client in clients[1:]:
        client.send(b"hello")
    for number, client in enumerate(clients, 1):
        expect(
            client.gets(b"hello"),
            f"{server.threads} workers serve {server.threads} clients (this is client {number}), after one "
            "of them was woken for a client that another had taken already",
            LOOK_AGAIN,
        )


@check(step=4, area="cpu", points=2)
def waiting_for_room_takes_no_processor_time(new_server: NewServer) -> None:
    """While all workers are busy and more clients wait than the queue holds, the server sleeps."""
    server, _ = all_workers_busy(new_server)
    for _ in range(3 * server.threads):
        behaviour.connect_to(server)
    behaviour.expect_sleep(server, "while the queue is full")


a_signal_does_no_harm = check(step=4, area="eintr", points=2)(behaviour.a_signal_does_no_harm)

running_out_of_descriptors_is_survived = check(step=4, area="robustness", points=3)(
    behaviour.running_out_of_descriptors_is_survived
)
a_client_that_gave_up_early_is_survived = check(step=4, area="robustness", points=3)(
    behaviour.a_client_that_gave_up_early_is_survived
)


no_two_threads_meet_in_the_same_memory = check(
    step=4, area="threads", points=2, needs_source=True
)(behaviour.no_two_threads_meet_in_the_same_memory)
nothing_is_read_or_written_out_of_bounds = check(
    step=4, area="threads", points=1, needs_source=True
)(behaviour.nothing_is_read_or_written_out_of_bounds)


# Step 5: stop cleanly on SIGTERM

sigterm_ends_it_at_idle_with_status_0 = check(step=5, area="shutdown", points=4)(
    behaviour.sigterm_ends_it_at_idle_with_status_0
)
sigterm_lets_clients_go_in_order = check(step=5, area="shutdown", points=6)(
    behaviour.sigterm_lets_clients_go_in_order
)


@check(step=5, area="shutdown", points=5)
def sigterm_ends_it_with_clients_in_the_queue(new_server: NewServer) -> None:
    """SIGTERM comes while all workers are busy and more clients wait than the queue holds."""
    server, _ = all_workers_busy(new_server)
    for _ in range(3 * server.threads):
        behaviour.connect_to(server)
    behaviour.expect_it_stays(server, "while the queue is full", "it is lost when the queue is full")
    behaviour.expect_clean_end(server, "somebody waits for the queue, and nobody closes it")


sigterm_ends_it_although_clients_do_not_read = check(step=5, area="shutdown", points=3, long=True)(
    behaviour.sigterm_ends_it_although_clients_do_not_read
)


def all_workers_busy(new_server: NewServer) -> tuple[Server, list[Client]]:
    """A server and as many clients, all of them served, as it has workers."""
    server = behaviour.started(new_server, threads=WORKERS)
    clients = [behaviour.connect_to(server) for _ in range(server.threads)]
    for number, client in enumerate(clients, 1):
        expect(
            client.is_served(),
            f"client {number} is served: there are {server.threads} workers",
            "fewer clients are served at once than --threads says",
        )
    return server, clients
