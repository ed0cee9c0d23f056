"""What the scene holds: nodes, overlays, segments, tables and views of a case."""
