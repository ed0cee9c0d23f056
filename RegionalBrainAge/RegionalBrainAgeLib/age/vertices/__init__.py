"""The same network on the vertices of a surface mesh."""
