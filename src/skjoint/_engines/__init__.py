"""What trains a network: the contract, and two engines that keep it."""
