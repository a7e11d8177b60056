"""The servers, workers and pools, and how each is started and given work."""

from __future__ import annotations

import signal

from attrs import field, frozen

__all__ = ["PROGRAMS", "STARTS", "STOPS", "Program"]

STARTS = {"run": "the command", "configure": "code"}
"""``bentotrace run`` or ``opentelemetry-instrument``, and a call in the program."""

STOPS = {
    "SIGTERM": (signal.SIGTERM, False),
    "SIGTERM to the group": (signal.SIGTERM, True),
    "Ctrl-C": (signal.SIGINT, False),
    "Ctrl-C to the group": (signal.SIGINT, True),
}
"""The signal, and whether the processes of the group get it too."""

_ALL = tuple(STOPS)

_GUNICORN = "gunicorn application:wsgi --workers 2 --bind 127.0.0.1:{port}"
_CELERY = "celery -A celery_jobs worker --loglevel INFO"


@frozen
class Program:
    """A program that makes a span for each piece of work.

    Attributes:
        name: what it is called on the page.
        command: how it is started; ``{port}`` is free, ``{spans}`` the number of spans it makes.
        needs: the distribution that has to be installed.
        sender: the program that sends it work over a broker; without one, it serves HTTP if its
            command has a port.
        redis: whether the broker is Redis.
        loses: the ways to stop it that may lose spans, of those in ``STOPS``.
        varies: the ways to stop it whose result is not always the same.
        why: the reason for these losses, and what helps.
        short: whether it is in the short run.
    """

    name: str
    command: str
    needs: str
    sender: str = ""
    redis: bool = False
    loses: tuple[str, ...] = ()
    varies: tuple[str, ...] = ()
    why: str = ""
    short: bool = field(default=False, kw_only=True)


PROGRAMS = (
    Program("uvicorn", "uvicorn application:asgi --port {port}", "uvicorn"),
    Program(
        "uvicorn, 2 workers",
        # Under load a worker may be silent for the 5 s after which it is ended.
        "uvicorn application:asgi --port {port} --workers 2 --timeout-worker-healthcheck 60",
        "uvicorn",
    ),
    Program(
        "uvicorn, `--reload`",
        "uvicorn application:asgi --port {port} --reload",
        "uvicorn",
        short=True,
    ),
    Program("hypercorn", "hypercorn application:asgi --bind 127.0.0.1:{port} -w 2", "hypercorn"),
    Program(
        "granian",
        "granian --interface asgi application:asgi --port {port} --workers 2",
        "granian",
    ),
    Program("gunicorn, sync", _GUNICORN, "gunicorn"),
    Program("gunicorn, sync, `--preload`", f"{_GUNICORN} --preload", "gunicorn"),
    Program("gunicorn, gthread", f"{_GUNICORN} -k gthread --threads 4", "gunicorn"),
    Program("gunicorn, gevent", f"{_GUNICORN} -k gevent", "gevent"),
    Program("gunicorn, eventlet", f"{_GUNICORN} -k eventlet", "eventlet"),
    Program("gunicorn, tornado", f"{_GUNICORN} -k tornado", "tornado"),
    Program(
        "gunicorn, uvicorn's worker",
        f"{_GUNICORN.replace('wsgi', 'asgi')} -k uvicorn_worker.UvicornWorker",
        "uvicorn-worker",
        short=True,
    ),
    Program(
        "gunicorn, uvicorn's worker, `--preload`",
        f"{_GUNICORN.replace('wsgi', 'asgi')} -k uvicorn_worker.UvicornWorker --preload",
        "uvicorn-worker",
    ),
    Program(
        "uWSGI",
        "uwsgi --http-socket 127.0.0.1:{port} --module application:wsgi --master --processes 2 "
        "--enable-threads --die-on-term --virtualenv {prefix}",
        "uwsgi",
        loses=_ALL,
        varies=_ALL,
        why="a worker that gets a signal before its last request is over runs no exit hooks, so the "
        "result varies; lower `processor.schedule_delay`",
    ),
    Program(
        "Django, `runserver`",
        "python manage.py runserver 127.0.0.1:{port}",
        "django",
        loses=("SIGTERM", "SIGTERM to the group", "Ctrl-C"),
        why="the process that watches the files ends the other by SIGKILL; press Ctrl-C in a "
        "terminal, which signals the group, or use `--noreload`",
    ),
    Program(
        "Django, `runserver --noreload`",
        "python manage.py runserver 127.0.0.1:{port} --noreload",
        "django",
    ),
    Program(
        "Ray Serve",
        "python ray_serve.py {port}",
        "ray",
        loses=_ALL,
        # Its processes may take longer to end than a span waits.
        varies=("SIGTERM to the group",),
        why="Ray ends its replicas by SIGKILL; call `serve.shutdown()` at the end of the program and "
        "`trace.get_tracer_provider().force_flush()` in the `__del__` of the deployment, or lower "
        "`processor.schedule_delay`",
    ),
    Program("BentoML", "bentoml serve service:Work --port {port}", "bentoml"),
    Program("Celery, prefork", f"{_CELERY} -c 2", "celery", sender="celery_jobs.py", short=True),
    Program(
        "Celery, prefork, `--max-tasks-per-child 5`",
        f"{_CELERY} -c 2 --max-tasks-per-child 5",
        "celery",
        sender="celery_jobs.py",
    ),
    Program("Celery, threads", f"{_CELERY} -P threads -c 4", "celery", sender="celery_jobs.py"),
    Program("Celery, gevent", f"{_CELERY} -P gevent -c 4", "gevent", sender="celery_jobs.py"),
    Program("Celery, solo", f"{_CELERY} -P solo", "celery", sender="celery_jobs.py"),
    Program(
        "Dramatiq",
        "dramatiq dramatiq_jobs --processes 2 --threads 2",
        "dramatiq",
        sender="dramatiq_jobs.py",
        redis=True,
    ),
    Program(
        "RQ",
        "rq worker --url {redis} -c configured",
        "rq",
        sender="rq_jobs.py",
        redis=True,
        short=True,
    ),
    Program(
        "RQ, `rq.SimpleWorker`",
        "rq worker --url {redis} -c configured --worker-class rq.SimpleWorker",
        "rq",
        sender="rq_jobs.py",
        redis=True,
    ),
    Program(
        "`multiprocessing`, fork",
        "python pools.py multiprocessing-fork {spans}",
        "bentotrace",
        short=True,
    ),
    Program(
        "`multiprocessing`, spawn",
        "python pools.py multiprocessing-spawn {spans}",
        "bentotrace",
    ),
    Program(
        "`multiprocessing`, forkserver",
        "python pools.py multiprocessing-forkserver {spans}",
        "bentotrace",
    ),
    Program("`concurrent.futures`", "python pools.py futures {spans}", "bentotrace"),
    Program("billiard", "python pools.py billiard {spans}", "billiard", short=True),
    Program(
        "joblib",
        "python pools.py joblib {spans}",
        "joblib",
        loses=("Ctrl-C", "Ctrl-C to the group"),
        varies=("Ctrl-C", "Ctrl-C to the group"),
        why="a call that is interrupted, or of which one worker is, ends the other workers by "
        'SIGKILL; use `Parallel(backend="multiprocessing")`, or call '
        "`trace.get_tracer_provider().force_flush()` at the end of a function that runs there",
    ),
)
