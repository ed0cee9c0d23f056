"""What is known in template space: the template, atlases, parcels, regions, the corticospinal tract."""
