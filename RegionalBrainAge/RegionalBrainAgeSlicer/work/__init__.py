"""Work outside the window: packages, background runs, chunked work."""
