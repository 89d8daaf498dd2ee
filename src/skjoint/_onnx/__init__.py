"""A fitted estimator or pipeline as an ONNX graph."""
