"""Brain age of functional regions in chronic stroke: from a head and a lesion to eighteen ages.

Rooms, in the direction data walks: imaging -> anatomy -> age -> case -> batch. The library never imports slicer.
"""

__version__ = "0.1.0"
