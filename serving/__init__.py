"""Where one call or one machine is outgrown: a page to paint on, a Triton model repository, a Ray Data job.

The servers and the scheduler are Gradio, Triton Inference Server and Ray; each target needs its own extra.
"""
