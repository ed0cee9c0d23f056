"""Arrays with their place in space: images, resampling, look-ups in RAS millimetres."""
