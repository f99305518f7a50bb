"""The task forecast.

task.py             what it is made of
settings.py         the settings
dataset.py          reader.py (files), split.py (training and validation part), seasonality.py, metadata.py (what a run keeps of
                    its series), report.py (messages), split_windows.py (the run's cache)
defaults.py         open settings chosen by ridge regression, ridge.py
panel.py            series in flat arrays; windows.py, scaling.py, series_stats.py
sampler.py          the batches of an epoch
pipeline.py         from windows to tensors and back
model.py            the network; quantile_loss.py, calibration.py
validation.py       metrics while training; backtest.py: metrics on a file
prediction.py       forecasts as JSON; example.py: their inputs
"""
