"""What a pass did and what it refused, with the reason."""

from dataclasses import dataclass, field

import onnx_ir as ir

from .ir_tools import describe


@dataclass
class PassReport:
    """Changes and refusals of one pass; each is the name of a node, refusals with the reason.

    `notes` says of convolutions, by the name of their result, what was done; `planes` by how many planes a mask is
    carried, by its name; `merged` which result is computed together with another one, and the name of that.
    """

    name: str
    changed: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    planes: dict[str, int] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)

    def change(self, node: ir.Node, note: str = "") -> None:
        """Record that `node` was rewritten; of a convolution with a note for the reader."""
        self.changed.append(describe(node))
        if note:
            self.notes[str(node.outputs[0].name)] = note

    def refuse(self, node: ir.Node, reason: str) -> None:
        """Record that `node` was left, and why."""
        self.refused.append((describe(node), reason))
