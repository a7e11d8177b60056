"""A job of RQ; run as a program, this sends it several times."""

import os
import sys

import work


def run():
    work.work()


if __name__ == "__main__":
    from redis import Redis
    from rq import Queue

    queue = Queue(connection=Redis.from_url(os.environ["REDIS_URL"]))
    for _ in range(int(sys.argv[1])):
        queue.enqueue("rq_jobs.run")
