"""Passes over the exported ONNX graph. Each takes a model and returns a new one; none changes what it is given."""
