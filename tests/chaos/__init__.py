"""Runs that are killed, and resumed: the result is that of an uninterrupted run, to the bit.

states.py    every state that a kill can leave on the disk, recorded before each write, rename and removal of one run
kills.py     real processes, killed at random moments
compare.py   what differs between two run folders
runs.py      the small runs
"""
