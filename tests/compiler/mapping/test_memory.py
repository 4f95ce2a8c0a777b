"""Where things lie on the chip: the ring and the arena keep their promises whatever they are asked."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.mapping.memory import Arena, Block, RingCache

SIZE, ALIGN = 64, 8
keys_and_sizes = st.lists(st.tuples(st.integers(0, 9), st.integers(1, SIZE)), max_size=30)


def disjoint(blocks: list[Block]) -> bool:
    return not any(a.overlaps(b) for k, a in enumerate(blocks) for b in blocks[:k])


@settings(derandomize=True, deadline=None)
@given(keys_and_sizes)
def test_what_a_ring_holds_nobody_has_written_over(puts):
    ring = RingCache(SIZE, ALIGN)
    owner: list[int | None] = [None] * SIZE
    for key, size in puts:
        if ring.get(key) is not None:
            continue
        block = ring.put(key, size)
        assert (block.size, block.start % ALIGN) == (size, 0)
        assert 0 <= block.start < block.stop <= SIZE
        assert ring.get(key) == block
        owner[block.start : block.stop] = [key] * size
        for other in range(10):
            held = ring.get(other)
            assert held is None or owner[held.start : held.stop] == [other] * held.size


@settings(derandomize=True, deadline=None)
@given(keys_and_sizes)
def test_a_ring_forgets_only_what_it_must(puts):
    ring = RingCache(SIZE, ALIGN)
    held: dict[int, Block] = {}
    for number, (_, size) in enumerate(puts):
        block = ring.put(number, size)
        held = {key: other for key, other in held.items() if not other.overlaps(block)} | {number: block}
        assert {key: ring.get(key) for key in held} == held


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(1, SIZE // 3 - ALIGN), max_size=40))
def test_small_blocks_never_take_the_place_of_the_one_before(sizes):
    """So the next one can be loaded while this one is read."""
    ring = RingCache(SIZE, ALIGN)
    blocks = [ring.put(number, size) for number, size in enumerate(sizes)]
    assert not any(a.overlaps(b) for a, b in pairwise(blocks))


def test_two_blocks_of_half_the_size_take_turns():
    ring = RingCache(SIZE, ALIGN)
    assert [ring.put(number, SIZE // 2).start for number in range(4)] == [0, 32, 0, 32]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.one_of(st.integers(1, SIZE), st.integers(-20, -1)), max_size=40))
def test_blocks_of_an_arena_are_apart_and_refused_only_for_want_of_room(steps):
    """A positive step allocates so many bytes, a negative one frees a block."""
    arena = Arena(SIZE, ALIGN)
    used: list[Block] = []
    for step in steps:
        if step > 0:
            room = arena.largest_gap()
            block = arena.allocate(step)
            assert (block is None) == (-(-step // ALIGN) * ALIGN > room)
            used += [block] if block else []
        elif used:
            arena.free(used.pop(step % len(used)))
        assert disjoint(used)
        assert all(b.start % ALIGN == 0 and 0 <= b.start < b.stop <= SIZE for b in used)


def test_an_arena_that_is_empty_again_has_all_its_room():
    arena = Arena(SIZE, ALIGN)
    blocks = [arena.allocate(8) for _ in range(8)]
    assert arena.largest_gap() == 0
    for block in blocks[::2] + blocks[1::2]:
        assert block is not None
        arena.free(block)
    assert arena.largest_gap() == SIZE


def test_a_block_just_freed_is_not_the_next_one_handed_out():
    """What was stored from it may still be on its way."""
    arena = Arena(SIZE, ALIGN)
    first = arena.allocate(8)
    assert first is not None
    arena.free(first)
    assert arena.allocate(8) != first
