"""The task caption: generates a text for each image or feature vector."""
