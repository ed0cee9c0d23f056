"""The lesion: its side, volume and loads; a proposal; a simulation."""
