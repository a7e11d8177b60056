"""A project of Django in one file."""

import os
import sys

import work
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path

work.configure()
os.environ["DJANGO_SETTINGS_MODULE"] = __name__
settings.configure(DEBUG=True, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])


def answer(_request):
    work.work()
    return HttpResponse("ok")


urlpatterns = [path("job/", answer)]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
