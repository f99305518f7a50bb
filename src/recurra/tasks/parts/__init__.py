"""Parts that tasks are made of: fields of a table, tasks over rows, encoders, text front ends."""
