"""Networks as torch modules: fake quantization while training, the deployed numbers in evaluation."""
