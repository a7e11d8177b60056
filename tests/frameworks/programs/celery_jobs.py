"""A task of Celery; run as a program, this sends it several times."""

import os
import sys

import work
from celery import Celery

if __name__ != "__main__":
    work.configure()
folder = os.environ["FOLDER"]
app = Celery("celery_jobs", broker="filesystem://")
app.conf.broker_transport_options = {
    "data_folder_in": folder,
    "data_folder_out": folder,
    "control_folder": folder + "/control",
}
app.conf.worker_enable_remote_control = False


@app.task(name="work")
def run():
    work.work()


if __name__ == "__main__":
    os.makedirs(folder + "/control", exist_ok=True)
    for _ in range(int(sys.argv[1])):
        run.delay()
