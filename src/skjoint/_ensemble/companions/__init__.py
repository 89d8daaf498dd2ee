"""The models beside the networks, one file each."""
