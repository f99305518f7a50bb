"""Networks and their parts that several tasks share: encoders, decoders, augmentation, losses."""
