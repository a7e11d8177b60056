"""Work for processes that import nothing but its module."""

import work

work.configure()


def run(_number):
    work.work()
