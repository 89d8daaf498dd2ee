"""Whole epochs inside one compiled TensorFlow program, shared by fits of one shape."""
