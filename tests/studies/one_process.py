"""Studies whose cells all run in the process that asks: a worker needs seconds to start."""


class Here:
    """Stands for the driver's pool of workers and leaves its cells to the driver, which runs itself
    what it holds parts of; test_mode_collapse.py compares the rows of both ways."""

    def __init__(self, driver, cells, size):
        driver.own.update({cell.key: {} for cell in cells})

    def run(self):
        pass
