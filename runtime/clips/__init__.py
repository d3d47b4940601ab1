"""Clips: the holes of every frame filled, everything else of the file kept. Needs PyAV, `pip install -e '.[video]'`."""
