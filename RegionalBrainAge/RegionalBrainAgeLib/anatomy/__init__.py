"""Where things are and what is damaged: parcels, regions, lesion, corticospinal tract."""
