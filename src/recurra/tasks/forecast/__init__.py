"""The task forecast: probabilistic forecasts of one time series or of thousands.

task.py             the task: settings, network, training, evaluation, prediction
settings.py         the settings
dataset.py          reader.py (files), split.py (training and validation part), seasonality.py, metadata.py (statistics that a
                    run keeps of its series), report.py (messages), split_windows.py (the cache of a run)
defaults.py         open settings, chosen by ridge regression (ridge.py)
panel.py            series in flat arrays; windows.py, scaling.py, series_stats.py
sampler.py          the batches of an epoch
pipeline.py         conversion of windows to tensors and of outputs to forecasts
model.py            the network; quantile_loss.py, calibration.py
validation.py       metrics during training; backtest.py: metrics on a file
prediction.py       forecasts as JSON; example.py: the inputs of `predict`
"""
