"""An actor of Dramatiq; run as a program, this sends it several times."""

import os
import sys

import dramatiq
import work
from dramatiq.brokers.redis import RedisBroker

if __name__ != "__main__":
    work.configure()
dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"]))


@dramatiq.actor(actor_name="work")
def run():
    work.work()


if __name__ == "__main__":
    for _ in range(int(sys.argv[1])):
        run.send()
