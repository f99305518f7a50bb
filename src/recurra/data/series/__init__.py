"""Time series of numbers: reading tables in long and wide format, time stamps, regular time grids and seasonality."""
