"""From a head to its brain in MNI space: brain mask, shading, noise, registration, lesion filling, contrast."""
