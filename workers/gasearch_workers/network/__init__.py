"""What a network is: its layers as primitive steps with shapes and precisions. Arithmetic only, no NumPy."""
