"""What lies between 3D Slicer and the library: nodes, views, background processes and the panel's five steps.

Imports at file scope only the standard library, slicer, vtk, qt, ctk and numpy; the library's heavy parts run in a
process of their own (`library_process.py`).
"""
