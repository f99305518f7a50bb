"""What forecast is made of; `tasks/forecast.py` says which file does what."""
