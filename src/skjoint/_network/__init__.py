"""The network as plain data, its Keras model, its layers, outputs and losses."""
