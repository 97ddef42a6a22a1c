"""Who is given what."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.matching import Applicant, Offer, effective_priority, match

LAW = settings(deadline=None, max_examples=200)

NOW = datetime(2024, 11, 20, 12, 0, tzinfo=UTC)
AGEING = 600.0


class Known:
    """Skills by worker and kind of work, the same in each repository."""

    def __init__(self, **skills: dict[str, float]) -> None:
        self.skills = skills

    def skill(self, worker: str, category: str, repository: str) -> float:
        return self.skills.get(worker, {}).get(category, 0.0)


NOTHING_KNOWN = Known()


def before(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def applicant(worker: str = "w1", *, waits: float = 0.0, **fields: object) -> Applicant:
    return Applicant(worker_id=worker, waiting_since=before(waits), **fields)  # type: ignore[arg-type]


def offer(name: str, *, priority: int = 0, waits: float = 0.0, effort: float = 60.0, **fields: object) -> Offer:
    """An offer of `a.1` is of the task `a`."""
    task_id, _, _ = name.partition(".")
    return Offer(
        task_id=task_id,
        subtask_id=name,
        repository=f"/{task_id}",
        priority=priority,
        ready_at=before(waits),
        effort_p50=effort,
        **fields,  # type: ignore[arg-type]
    )


def crew(size: int) -> list[Applicant]:
    return [applicant(f"w{number}", waits=size - number) for number in range(size)]


def given_out(waiting: Sequence[Applicant], offers: Sequence[Offer], expertise: Known = NOTHING_KNOWN) -> list[str]:
    """Tell who gets what, in order: `w1 a.1`."""
    pairs = match(waiting, offers, expertise, NOW, AGEING)
    return [f"{waiting[place].worker_id} {offers[index].subtask_id}" for place, index in pairs]


def order_of(*offers: Offer) -> list[str]:
    """Tell the order in which offers are given out where there is a worker for each."""
    return [pair.split()[1] for pair in given_out(crew(len(offers)), offers)]


# --- which subtask


def test_the_most_urgent_subtask_goes_first() -> None:
    assert order_of(offer("a.1", priority=2), offer("a.2", priority=0), offer("a.3", priority=1)) == [
        "a.2",
        "a.3",
        "a.1",
    ]


def test_the_longest_of_equally_urgent_subtasks_goes_first() -> None:
    assert order_of(offer("a.1", effort=60.0), offer("a.2", effort=900.0)) == ["a.2", "a.1"]


def test_tasks_take_turns_however_long_their_subtasks_are() -> None:
    huge = [offer(f"huge.{number}", effort=900.0) for number in range(4)]
    small = [offer(f"small.{number}", effort=10.0) for number in range(2)]

    assert order_of(*huge, *small) == ["huge.0", "small.0", "huge.1", "small.1", "huge.2", "huge.3"]


def test_the_task_with_the_fewest_live_leases_comes_first() -> None:
    busy = [offer(f"busy.{number}", effort=900.0, task_leases=2) for number in range(2)]
    idle = [offer(f"idle.{number}", task_leases=0) for number in range(3)]

    assert order_of(*busy, *idle) == ["idle.0", "idle.1", "busy.0", "idle.2", "busy.1"]


def test_an_urgent_subtask_goes_before_another_task_s_turn() -> None:
    assert order_of(offer("busy.1", priority=0, task_leases=9), offer("idle.1", priority=1)) == ["busy.1", "idle.1"]


# --- ageing


def test_a_subtask_becomes_more_urgent_by_one_for_each_ageing_time() -> None:
    assert [
        effective_priority(3, before(seconds), NOW, AGEING) for seconds in (0.0, 599.9, 600.0, 1800.0, 6000.0)
    ] == [3, 3, 2, 0, -7]


def test_without_ageing_priorities_stay() -> None:
    assert effective_priority(3, before(1e9), NOW, math.inf) == 3


def test_a_subtask_that_is_ready_in_the_future_has_its_plain_priority() -> None:
    assert effective_priority(3, before(-6000.0), NOW, AGEING) == 3


def test_an_unimportant_subtask_does_not_starve_beside_a_stream_of_important_ones() -> None:
    # One worker, free every 100 s, and a new subtask of priority 0 each time; the other one has priority 5.
    ready = [offer("a.0", priority=5)]
    turns = 0
    while any(waiting.subtask_id == "a.0" for waiting in ready):
        turns += 1
        now = NOW + timedelta(seconds=100.0 * turns)
        ready.append(
            Offer(task_id="a", subtask_id=f"a.{turns}", repository="/a", priority=0, ready_at=now, effort_p50=900.0)
        )
        [(_, index)] = match([applicant()], ready, NOTHING_KNOWN, now, AGEING)
        del ready[index]
        assert turns <= 40

    # Its sixth step is the first that takes it past what is new, after 6 * 600 s.
    assert turns == 36


@LAW
@given(st.integers(-5, 5), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.1, 1e5))
def test_what_stays_becomes_ever_more_urgent(priority: int, waited: float, more: float, ageing: float) -> None:
    ready_at = before(waited)
    later = NOW + timedelta(seconds=more)

    assert effective_priority(priority, ready_at, later, ageing) <= effective_priority(
        priority, ready_at, NOW, ageing
    )
    much_later = later + timedelta(seconds=1.01 * ageing)
    assert effective_priority(priority, ready_at, much_later, ageing) < effective_priority(
        priority, ready_at, later, ageing
    )


# --- which worker


def test_who_has_waited_longest_comes_first() -> None:
    waiting = [applicant("w1", waits=1.0), applicant("w2", waits=9.0), applicant("w3", waits=5.0)]

    assert given_out(waiting, [offer("a.1"), offer("a.2")]) == ["w2 a.1", "w3 a.2"]


def test_of_those_who_have_waited_equally_long_the_one_with_fewer_leases_comes_first() -> None:
    assert given_out([applicant("w1", live_leases=1), applicant("w2")], [offer("a.1")]) == ["w2 a.1"]


def test_a_subtask_goes_to_the_worker_who_is_best_at_its_kind_of_work() -> None:
    expertise = Known(typist={"types": 0.7}, importer={"imports": 1.6})
    waiting = [applicant("typist"), applicant("importer"), applicant("novice", waits=99.0)]
    offers = [
        offer("a.1", effort=3.0, category="types"),
        offer("a.2", effort=2.0, category="imports"),
        offer("a.3", effort=1.0, category="syntax"),
    ]

    assert given_out(waiting, offers, expertise) == ["typist a.1", "importer a.2", "novice a.3"]


def test_an_unknown_worker_is_better_than_one_who_is_known_to_fail() -> None:
    expertise = Known(w1={"types": -0.1})

    waiting = [applicant("w1", waits=99.0), applicant("w2")]
    assert given_out(waiting, [offer("a.1", category="types")], expertise) == ["w2 a.1"]


def test_an_urgent_subtask_does_not_wait_for_a_better_worker() -> None:
    expertise = Known(w1={"types": 0.7})
    offers = [offer("a.1", priority=0, category="syntax"), offer("a.2", priority=1, category="types")]

    assert given_out([applicant("w1")], offers, expertise) == ["w1 a.1"]


# --- what may be taken


def test_a_worker_gets_only_what_it_asked_for() -> None:
    waiting = [applicant("w1", task_id="b"), applicant("w2", repository="/c"), applicant("w3", task_id="x")]
    offers = [offer("a.1"), offer("b.1"), offer("c.1")]

    assert sorted(given_out(waiting, offers)) == ["w1 b.1", "w2 c.1"]


def test_a_worker_gets_nothing_of_the_tasks_that_it_leaves_out() -> None:
    waiting = [applicant("w1", waits=2, without_tasks=frozenset({"a", "b"})), applicant("w2", waits=1)]
    offers = [offer("a.1"), offer("b.1"), offer("c.1")]

    assert sorted(given_out(waiting, offers)) == ["w1 c.1", "w2 a.1"]


def test_of_two_subtasks_of_a_task_that_share_a_file_one_is_given_out() -> None:
    first = offer("a.1", effort=90.0, holds=frozenset({"a.py", "b.py"}))
    second = offer("a.2", effort=60.0, holds=frozenset({"b.py", "c.py"}))
    third = offer("a.3", effort=30.0, holds=frozenset({"c.py"}))

    assert order_of(first, second, third) == ["a.1", "a.3"]


def test_tasks_have_their_own_trees() -> None:
    same = frozenset({"a.py"})

    assert order_of(offer("a.1", holds=same), offer("b.1", holds=same)) == ["a.1", "b.1"]


def test_a_task_gets_no_more_leases_than_it_has_left() -> None:
    offers = [offer(f"a.{number}", leases_left=2) for number in range(4)]

    assert order_of(*offers, offer("b.1", leases_left=0), offer("c.1")) == ["a.0", "c.1", "a.1"]


def test_nobody_or_nothing_to_give_is_no_error() -> None:
    assert match([], [offer("a.1")], NOTHING_KNOWN, NOW, AGEING) == []
    assert match([applicant()], [], NOTHING_KNOWN, NOW, AGEING) == []


# --- laws

tasks = st.sampled_from(["a", "b", "c"])
categories = st.sampled_from(["types", "imports", "names", ""])
ages = st.sampled_from([0.0, 1.0, 700.0, 5000.0])


@st.composite
def benches(draw: st.DrawFn) -> list[Applicant]:
    return [
        applicant(
            f"w{number}",
            waits=draw(ages),
            task_id=draw(st.none() | tasks),
            repository=draw(st.none() | tasks.map("/{}".format)),
            without_tasks=draw(st.frozensets(tasks, max_size=2)),
            live_leases=draw(st.integers(0, 2)),
        )
        for number in range(draw(st.integers(0, 8)))
    ]


@st.composite
def boards(draw: st.DrawFn) -> list[Offer]:
    leases = {task: draw(st.integers(0, 3)) for task in "abc"}
    left = {task: draw(st.none() | st.integers(0, 3)) for task in "abc"}
    return [
        offer(
            f"{(task := draw(tasks))}.{number}",
            priority=draw(st.integers(0, 2)),
            waits=draw(ages),
            effort=draw(st.sampled_from([10.0, 60.0])),
            category=draw(categories),
            holds=draw(st.frozensets(st.sampled_from("pqrst"), max_size=2)),
            task_leases=leases[task],
            leases_left=left[task],
        )
        for number in range(draw(st.integers(0, 8)))
    ]


def experiences() -> st.SearchStrategy[Known]:
    skills = st.dictionaries(categories, st.sampled_from([-0.7, 0.1, 1.6]))
    return st.dictionaries(st.integers(0, 8).map("w{}".format), skills).map(lambda known: Known(**known))


def may_take(applicant: Applicant, offer: Offer) -> bool:
    return (
        applicant.task_id in (None, offer.task_id)
        and applicant.repository in (None, offer.repository)
        and offer.task_id not in applicant.without_tasks
    )


@LAW
@given(benches(), boards(), experiences())
def test_each_worker_and_each_subtask_is_in_one_pair_at_most_that_the_worker_asked_for(
    waiting: list[Applicant], offers: list[Offer], expertise: Known
) -> None:
    pairs = match(waiting, offers, expertise, NOW, AGEING)

    assert len({place for place, _ in pairs}) == len({index for _, index in pairs}) == len(pairs)
    assert all(may_take(waiting[place], offers[index]) for place, index in pairs)


@LAW
@given(benches(), boards(), experiences())
def test_two_workers_never_get_one_file_of_a_task(
    waiting: list[Applicant], offers: list[Offer], expertise: Known
) -> None:
    taken = [offers[index] for _, index in match(waiting, offers, expertise, NOW, AGEING)]

    for one, other in combinations(taken, 2):
        assert one.task_id != other.task_id or one.holds.isdisjoint(other.holds)


@LAW
@given(benches(), boards(), experiences())
def test_no_task_gets_more_leases_than_it_has_left(
    waiting: list[Applicant], offers: list[Offer], expertise: Known
) -> None:
    taken = [offers[index] for _, index in match(waiting, offers, expertise, NOW, AGEING)]

    count = Counter(offer.task_id for offer in taken)
    assert all(offer.leases_left is None or count[offer.task_id] <= offer.leases_left for offer in taken)


@LAW
@given(benches(), boards(), experiences(), st.randoms())
def test_the_order_of_the_input_does_not_matter(
    waiting: list[Applicant], offers: list[Offer], expertise: Known, order: object
) -> None:
    shuffled_waiting, shuffled_offers = waiting.copy(), offers.copy()
    order.shuffle(shuffled_waiting)  # type: ignore[attr-defined]
    order.shuffle(shuffled_offers)  # type: ignore[attr-defined]

    assert given_out(shuffled_waiting, shuffled_offers, expertise) == given_out(waiting, offers, expertise)


@LAW
@given(benches(), boards(), experiences())
def test_nobody_is_left_waiting_for_a_subtask_that_it_could_have(
    waiting: list[Applicant], offers: list[Offer], expertise: Known
) -> None:
    pairs = match(waiting, offers, expertise, NOW, AGEING)

    busy, gone = {place for place, _ in pairs}, {index for _, index in pairs}
    taken = [offers[index] for index in gone]
    for offer in (offer for index, offer in enumerate(offers) if index not in gone):
        siblings = [other for other in taken if other.task_id == offer.task_id]
        free = all(offer.holds.isdisjoint(other.holds) for other in siblings)
        if free and (offer.leases_left is None or len(siblings) < offer.leases_left):
            assert not any(may_take(waiting[place], offer) for place in range(len(waiting)) if place not in busy)


@LAW
@given(benches(), boards(), experiences())
def test_the_first_to_be_given_out_is_the_most_urgent_that_anybody_may_take(
    waiting: list[Applicant], offers: list[Offer], expertise: Known
) -> None:
    possible = [
        effective_priority(offer.priority, offer.ready_at, NOW, AGEING)
        for offer in offers
        if offer.leases_left != 0 and any(may_take(applicant, offer) for applicant in waiting)
    ]

    pairs = match(waiting, offers, expertise, NOW, AGEING)

    assert bool(pairs) == bool(possible)
    if pairs:
        first = offers[pairs[0][1]]
        assert effective_priority(first.priority, first.ready_at, NOW, AGEING) == min(possible)


@LAW
@given(benches(), boards(), experiences())
def test_each_subtask_goes_to_the_best_worker_that_is_left(
    waiting: list[Applicant], offers: list[Offer], expertise: Known
) -> None:
    left = set(range(len(waiting)))
    for place, index in match(waiting, offers, expertise, NOW, AGEING):
        category, repository = offers[index].category, offers[index].repository
        best = max(
            expertise.skill(waiting[other].worker_id, category, repository)
            for other in left
            if may_take(waiting[other], offers[index])
        )
        assert expertise.skill(waiting[place].worker_id, category, repository) == best
        left.remove(place)
