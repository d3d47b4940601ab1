"""The parts of the pass `collapse_mask_channels`: the narrow forms, a rule for each operator, and the features."""
