"""The deployed form: integers and scales, in NumPy, as a packed file, as an ONNX graph, as an artifact."""
