"""Time series of numbers: reading tables in long and wide format, timestamps, regular time grids and seasonality."""
