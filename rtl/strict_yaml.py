"""YAML from strangers: plain data of small depth, each key once, or one line that says what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["YamlError", "parse_yaml"]

_MAX_DEPTH = 16


class YamlError(ValueError):
    """Text that is not YAML, or more than plain data. The message is one line."""


class _Loader(yaml.SafeLoader):
    """Refuses what PyYAML lets pass: a key given twice, references, nesting without bounds."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        # A reference can refer to what it is in, and ten lines of them can stand for gigabytes.
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.MarkedYAMLError(problem="references (*name) are not supported", problem_mark=event.start_mark)
        if self._depth == _MAX_DEPTH:
            event = self.peek_event()
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=event.start_mark)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} is set twice", problem_mark=key.start_mark)
            if isinstance(key.value, str):
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def parse_yaml(text: str) -> Any:
    """The data in ``text``: mappings, lists, strings, numbers, booleans, dates and null.

    Raises:
        YamlError: it is no such thing.

    """
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1})" if mark else ""
        raise YamlError(f"not YAML{where}: {_line(error.problem or error.context)}") from error
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise YamlError(f"not YAML: {_line(error)}") from error
    except (LookupError, AttributeError) as error:  # out of PyYAML's own constructors: `!!bool maybe`
        raise YamlError("not YAML: a value does not fit its tag") from error


def _line(problem: object) -> str:
    words = " ".join(str(problem).split())
    return words if len(words) <= 120 else words[:117] + "..."
