"""What a pass did and what it refused, with the reason."""

from dataclasses import dataclass, field

import onnx_ir as ir

from .ir_tools import describe


@dataclass
class PassReport:
    """Changes and refusals of one pass; each is the name of a node, refusals with the reason."""

    name: str
    changed: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def change(self, node: ir.Node) -> None:
        """Record that `node` was rewritten."""
        self.changed.append(describe(node))

    def refuse(self, node: ir.Node, reason: str) -> None:
        """Record that `node` was left, and why."""
        self.refused.append((describe(node), reason))
