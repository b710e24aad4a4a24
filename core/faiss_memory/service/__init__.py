"""What the product promises, whoever asks."""
