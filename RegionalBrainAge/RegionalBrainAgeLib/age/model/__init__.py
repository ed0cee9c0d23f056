"""The trained model: graph, network, intervals, calibration, folder."""
