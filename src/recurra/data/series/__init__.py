"""Series of numbers over time, from tables long and wide: their columns, cells, times, gaps and seasons."""
