"""Records a shell command on a terminal of its own: record.py CAST COLUMNSxROWS COMMAND.

termtosvg takes the end of its input for the end of the recording, so it gets one that stays open.
"""
import os
import shlex
import sys

from termtosvg.main import main

cast, screen, command = sys.argv[1:]
typed, _ = os.pipe()
shown = os.open(os.devnull, os.O_WRONLY)
main(['termtosvg', 'record', cast, '-g', screen, '-c', shlex.join(['sh', '-c', command])], typed, shown)
