"""What every other package may use: Keras' import, warnings, files, scikit-learn's wrappers."""
