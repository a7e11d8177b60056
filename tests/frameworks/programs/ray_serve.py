"""A deployment of Ray Serve: ray_serve.py PORT."""

import os
import sys
from contextlib import suppress

# Everything stays on this machine: no report of usage, no other address, no token at home.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_AUTH_MODE"] = "disabled"

import ray
import work
from ray import serve


@serve.deployment
class Work:
    def __init__(self):
        work.configure()

    def __call__(self, _request):
        work.work()
        return "ok"


def start():
    """Start Ray, which gives its processes 15 s, too few on a loaded machine."""
    while not ray.is_initialized():
        with suppress(Exception):
            ray.init(num_cpus=2, include_dashboard=False, _temp_dir=os.getcwd())


if __name__ == "__main__":
    start()
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Work.bind(), route_prefix="/job", blocking=True)
