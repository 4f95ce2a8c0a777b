"""An addition as the last step of the convolution before it."""

from __future__ import annotations

from dataclasses import replace

from compiler.ir import Add, Conv, Graph

__all__ = ["FuseResidual"]


class FuseResidual:
    """``add(conv(x), y)`` becomes ``conv(x)`` with ``y`` as its residual: one trip through memory less.

    Of two convolutions that could take it, the later one does. Left alone where something else reads the convolution's
    result, or where that result has a residual already.
    """

    name = "fuse-residual"

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        changed = False
        for add in graph.walk(Add):
            order = {operator.name: place for place, operator in enumerate(graph.operators())}
            producers = {name: graph.producer(name) for name in add.inputs}
            found = [
                (order[conv.name], name, conv)
                for name, conv in producers.items()
                if isinstance(conv, Conv) and conv.residual is None and graph.sole_consumer(name) is add
            ]
            if not found or add.inputs[0] == add.inputs[1]:
                continue
            _, own, conv = max(found, key=lambda entry: entry[0])
            rule = add.residual
            if own == add.inputs[1]:
                rule = replace(rule, tensor=add.inputs[0], main=rule.skip, skip=rule.main)
            graph.remove(conv.name)
            graph.replace(
                add.name,
                replace(conv, inputs=(conv.inputs[0], rule.tensor), output=add.output, residual=rule),
            )
            changed = True
        return graph.drop_unused() or changed
