"""Kaggle's own client against a server on loopback: kaggle_cli.py ENDPOINT ARGUMENTS… Any other host is refused before a packet leaves."""

import sys

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def refuse_other_hosts(event, args):
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event == "socket.connect" and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    if host not in LOOPBACK:
        raise ConnectionRefusedError(f"Expected loopback only, got {host}")


sys.addaudithook(refuse_other_hosts)

endpoint = sys.argv.pop(1)
sys.argv[0] = "kaggle"

from kagglesdk import kaggle_env  # noqa: E402

# The only environment that this client knows beside its own hosts has a fixed port.
kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.LOCAL] = endpoint

from kaggle.cli import main  # noqa: E402

sys.exit(main())
