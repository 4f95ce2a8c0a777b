"""Two small networks for scikit-learn's handwritten digits: data, a numpy trainer, and the trained ONNX files."""
