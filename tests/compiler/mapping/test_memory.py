"""Where things lie on the chip: the ring and the arena keep their promises whatever they are asked."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.mapping.memory import Arena, Block, Ring

SIZE, ALIGN = 64, 8


def disjoint(blocks: list[Block]) -> bool:
    return not any(a.overlaps(b) for k, a in enumerate(blocks) for b in blocks[:k])


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(1, SIZE), max_size=30), st.sampled_from([0, 8, 128]))
def test_blocks_of_a_ring_are_aligned_and_within_it(sizes, start):
    ring = Ring(SIZE, ALIGN, start)
    for size in sizes:
        block = ring.put(size)
        assert (block.size, block.start % ALIGN) == (size, 0)
        assert start <= block.start < block.stop <= start + SIZE


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(1, SIZE), max_size=40))
def test_a_ring_goes_over_its_oldest_blocks_first(sizes):
    """A block lies over others only where all that are older, back to the last turn, have been passed."""
    ring = Ring(SIZE, ALIGN)
    at = 0
    for size in sizes:
        block = ring.put(size)
        assert block.start in (0, at)
        assert block.start == at or at + size > SIZE
        at = -(-block.stop // ALIGN) * ALIGN


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(1, SIZE // 3 - ALIGN), max_size=40))
def test_small_blocks_never_take_the_place_of_the_one_before(sizes):
    """So the next one can be loaded while this one is read."""
    ring = Ring(SIZE, ALIGN)
    blocks = [ring.put(size) for size in sizes]
    assert not any(a.overlaps(b) for a, b in pairwise(blocks))


def test_two_blocks_of_half_the_size_take_turns():
    ring = Ring(SIZE, ALIGN)
    assert [ring.put(SIZE // 2).start for _ in range(4)] == [0, 32, 0, 32]


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


def test_a_chain_of_tensors_leaves_what_is_free_in_one_piece():
    """Each lives until the next one has been made from it."""
    arena = Arena(SIZE, ALIGN)
    before = arena.allocate(ALIGN)
    for size in (24, 16, 8, 32, 16, 24):
        block = arena.allocate(size)
        assert before is not None
        assert block is not None
        assert arena.largest_gap() == SIZE - before.size - block.size
        arena.free(before)
        before = block
