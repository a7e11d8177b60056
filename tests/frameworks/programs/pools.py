"""Pools of processes that work, and then wait: pools.py KIND NUMBER."""

import sys
import threading

import configured


def start(kind, numbers):
    if kind.startswith("multiprocessing-"):
        import multiprocessing

        pool = multiprocessing.get_context(kind.partition("-")[2]).Pool(2)
        pool.map(configured.run, numbers, chunksize=1)
        return pool
    if kind == "billiard":
        import billiard

        pool = billiard.Pool(2, maxtasksperchild=10)
        pool.map(configured.run, numbers, chunksize=1)
        return pool
    if kind == "joblib":
        from joblib import Parallel, delayed

        return Parallel(2)(delayed(configured.run)(number) for number in numbers)
    from concurrent.futures import ProcessPoolExecutor

    executor = ProcessPoolExecutor(2)
    list(executor.map(configured.run, numbers))
    return executor


if __name__ == "__main__":
    kept = start(sys.argv[1], range(int(sys.argv[2])))
    threading.Event().wait()
