"""The axis letters: one alphabet for the whole project.

| letter | axis                                                        |
|--------|-------------------------------------------------------------|
| B      | rows of a batch                                             |
| T      | time steps, padded                                          |
| I      | features of the input                                       |
| H      | features of the hidden state                                |
| G      | gates of a cell (LSTM 4, GRU 3, RNN 1), stacked as G*H      |
| D      | directions: 1, or 2 when both are run                       |
| L      | layers                                                      |
| V      | entries of a vocabulary                                     |
| C      | classes                                                     |

`(B, T, H)` means the same in every file. `lengths` is `(B,)`, int64, the live steps of each row, 0 <= length <= T.
Losses are in nats, times in seconds, delays in steps.
"""
