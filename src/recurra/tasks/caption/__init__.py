"""caption: a text for each image or feature vector."""
