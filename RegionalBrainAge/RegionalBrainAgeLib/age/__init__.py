"""From parcel features to regional ages: graph, network, calibration, norms, training."""
