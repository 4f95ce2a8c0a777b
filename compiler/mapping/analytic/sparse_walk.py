"""A sparse plan's loops on a machine: the instructions of :mod:`compiler.mapping.sparse.codegen`, without making them.

All of them take what they do in the hardware, if who says what SPARSEs take is right: by
:mod:`compiler.mapping.sparse.expected` it is what their input's density leads to expect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.mapping.analytic.inputs import Source, load_tile
from compiler.mapping.analytic.outputs import Channels, Outputs
from compiler.mapping.analytic.traffic import Row, TileLoad, input_load, skip_row
from compiler.mapping.movement import MAX_ROW_BYTES
from compiler.mapping.plan import input_area
from compiler.mapping.sparse.plan import Loading, steps
from compiler.mapping.tiling import Patch, patches
from rtl.isa import PARAM_BYTES
from rtl.sparse.layout import SparseLayout

if TYPE_CHECKING:
    from compiler.mapping.analytic.course import Course
    from compiler.mapping.analytic.outputs import Room
    from compiler.mapping.analytic.ring import Ring, Use
    from compiler.mapping.sparse.expected import Flows
    from compiler.mapping.sparse.plan import ChannelBlock, SparsePlan
    from compiler.sparse.blocks import ColumnBlock

__all__ = ["walk_sparse"]


def walk_sparse(course: Course, plan: SparsePlan, flows: Flows) -> None:
    """Add a layer to ``course``, whose SPARSEs take what ``flows`` say."""
    _SparseWalk(course, plan, flows).run()


class _SparseWalk:
    def __init__(self, course: Course, plan: SparsePlan, flows: Flows) -> None:
        self.course = course
        self.machine = course.machine
        self.plan = plan
        self.job = plan.job
        self.cut = plan.cut
        self.outputs = Outputs(course, plan)
        self.constants = _Constants(course, plan)
        self.flows = flows
        self.lanes = course.config.sparse.lanes
        self.resident = None
        if plan.source is not None:
            self.resident = Source(None, course.wait_for_posts(plan.source.block), plan.source.pitch)
        self.held: dict[tuple[str, Patch], Use] = {}

    def run(self) -> None:
        machine, cut = self.machine, self.cut
        if cut.held_bytes:
            machine.ifm.reserve(cut.held_bytes)
        self.outputs.fill_margin()
        machine.post_alone(0, 0)  # POST_CONFIG
        self.constants.begin()
        for group in cut.groups:
            self.constants.begin_group(group)
            for tile in patches(self.job, cut.tile):
                self._tile(tile, group)
        self.outputs.leave()

    def _tile(self, tile: Patch, group: tuple[ChannelBlock, ...]) -> None:
        """One tile of output pixels, of channel blocks that go over it together."""
        channels = Channels(group[0].first, sum(block.channels for block in group))
        room = self.outputs.room(tile, channels)
        source, skip = self._source(tile), None
        for block in group:
            for step in steps(tile, self.cut.step):
                self.machine.sparse_half ^= 1
                self._multiply(block, step, source)
                skip = skip or self._skip(tile)
                self._post(block, tile, step, skip, room)
        if source.use is not None:
            source.use.read = self.machine.compute_retire
        if skip is not None:
            skip.read = self.machine.post_retire
        self.outputs.store(tile, channels, room)

    def _source(self, tile: Patch) -> Source:
        """The input of a tile, loaded if need be."""
        if self.resident is not None:
            return self.resident
        use = self.held.get(("input", tile))
        if use is None:
            use = self._load("input", tile, input_load(self.job, tile, 0, self.course.config.banks), self.job.source)
        self.course.kept = None
        return Source(use, use.loaded, input_area(self.job, tile).cols * self.job.in_shape[2])

    def _skip(self, tile: Patch) -> Use | None:
        """The residual of a tile, if there is one and it is not in OFM."""
        if self.job.skip is None or self.plan.skip is not None:
            return None
        use = self.held.get(("skip", tile))
        if use is not None:
            return use
        size = tile.height * tile.width * self.plan.channels
        return self._load("skip", tile, TileLoad(size, (), skip_row(self.plan, tile)), self.job.skip)

    def _load(self, role: str, tile: Patch, load: TileLoad, tensor: str) -> Use:
        use = load_tile(self.course, load, tensor)
        if self.cut.held_bytes:
            self.held[role, tile] = use
        return use

    def _multiply(self, block: ChannelBlock, step: Patch, source: Source) -> None:
        """All columns of the matrix, as many at a time as are loaded, over the vectors of a step."""
        machine, constants = self.machine, self.constants
        for number, part in enumerate(block.columns):
            weights = constants.weights(block, number, part)
            wait = max([source.ready, constants.codebook_loaded, *[use.loaded for use in weights]])
            for flow in self.flows.of(block, part, step):
                machine.sparse(flow, wait)
            for use in weights:
                use.read = machine.compute_retire
        constants.codebook_read(machine.compute_retire)

    def _post(self, block: ChannelBlock, tile: Patch, step: Patch, skip: Use | None, room: Room) -> None:
        """Drain the sums."""
        params, outputs = self.constants.params(block), self.outputs
        y, x = step.y - tile.y, step.x - tile.x
        start = room.base + y * room.pitch + x * room.x_stride + block.first
        stop = start + (step.height - 1) * room.pitch + (step.width - 1) * room.x_stride + block.channels
        wait = max(params.loaded, outputs.wait(start, stop))
        if skip is not None:
            wait = max(wait, skip.loaded)
        cycles = step.height * step.width * -(-block.channels // self.lanes)
        params.read = self.machine.sparse_post(cycles, wait)
        outputs.step_written(start, stop, params.read)


class _Constants:
    """Compressed weights, pointers, codebook and parameters of a plan, loaded as the code generator does."""

    def __init__(self, course: Course, plan: SparsePlan) -> None:
        self._config = course.config
        self._machine = course.machine
        self._job = plan.job
        self._loading = plan.cut.loading
        self._blocks = plan.cut.blocks
        self._layout = SparseLayout(course.config)
        self._held: dict[tuple[int, int], list[Use]] = {}
        self._channels_of_params = range(0)
        self._params: Use | None = None
        self.codebook_loaded = 0

    def begin(self) -> None:
        """Load the table of weights, and make room for all entries and pointers, if they stay."""
        machine, sparse = self._machine, self._config.sparse
        if self._job.codes.values is not None:
            machine.table = (machine.table + 1) % sparse.tables
            size = self._layout.codebook_bytes // sparse.tables
            self.codebook_loaded = self._load(size, machine.tables[machine.table])
        if self._loading is Loading.ONCE:
            self._reserve(self._blocks)

    def begin_group(self, group: tuple[ChannelBlock, ...]) -> None:
        """Make room for entries and pointers of a group, if they stay for it."""
        if self._loading is Loading.PER_BLOCK:
            self._held.clear()
            self._reserve(group)

    def codebook_read(self, retire: int) -> None:
        """Note the last SPARSE that takes weights from the table."""
        if self._job.codes.values is not None:
            self._machine.tables[self._machine.table] = retire

    def weights(self, block: ChannelBlock, number: int, part: ColumnBlock) -> list[Use]:
        """Entries, if there are any, and pointers of a block of columns."""
        key = block.first, number
        found = self._held.get(key)
        if found is not None:
            return found
        rows, pointers = self._sizes(part)
        machine = self._machine
        uses = [self._put(machine.spmat, rows)] if rows else []
        uses.append(self._put(machine.pointers, pointers))
        if self._loading is not Loading.PER_STEP:
            self._held[key] = uses
        return uses

    def params(self, block: ChannelBlock) -> Use:
        """Parameters of a channel block: of all channels at once where they fit, else when its turn comes."""
        if self._params is None or block.first not in self._channels_of_params:
            filters = self._job.filters
            whole = filters * PARAM_BYTES <= self._config.memory.param_kib * 1024
            self._channels_of_params = range(filters) if whole else range(block.first, block.first + block.channels)
            self._params = self._put(self._machine.params, len(self._channels_of_params) * PARAM_BYTES)
        return self._params

    def _reserve(self, blocks: tuple[ChannelBlock, ...]) -> None:
        sizes = [self._sizes(part) for block in blocks for part in block.columns]
        self._machine.spmat.reserve(sum(rows for rows, _ in sizes))
        self._machine.pointers.reserve(sum(pointers for _, pointers in sizes))

    def _sizes(self, part: ColumnBlock) -> tuple[int, int]:
        """Bytes of entries and of pointers."""
        rows = part.rows(self._config.sparse) * self._layout.row_stride
        return rows, (part.columns + 1) * self._layout.pointer_stride

    def _put(self, ring: Ring, size: int) -> Use:
        use, wait = ring.put(size)
        use.loaded = self._load(size, wait)
        return use

    def _load(self, size: int, wait: int) -> int:
        """A constant, in as many pieces as LOAD asks for; the last retirement."""
        machine, beat = self._machine, self._config.bus.data_bytes
        most = MAX_ROW_BYTES // beat * beat
        for start in range(0, size, most):
            row = Row(1, start, 0, 1, min(most, size - start))
            machine.load(machine.ports.load.pattern(row), wait)
        return machine.load_retire
