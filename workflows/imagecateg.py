"""The tutorial's workflow: a small copy of the picture at a URL, filed by its predominant colour.

Drop this file into a workflow directory of flowyd, or run it: `python workflows/imagecateg.py` starts one
decision worker. Start an execution with `flowyd start imagecateg 1 URL`.
"""

from __future__ import annotations

from flowyd import ActivityProxy, RetryPolicy, Workflow, workflow

#: Longest side of the copy, pixels.
SIZE = 256

#: A worker that died, a server that is away: again after 1, 2 and 4 seconds. No picture there: not again.
AGAIN = RetryPolicy(maximum_attempts=4, first_interval_s=1, jitter=0, non_retryable=("PictureError",))


@workflow(name="imagecateg", version=1, task_list="image_processing")
class ImageCategorization(Workflow):
    """Resize and look at the colours at the same time, then file the copy; the result is its path."""

    resize = ActivityProxy(name="resize", version=1, retry_policy=AGAIN)
    sum_colors = ActivityProxy(name="predominantcolor", version=1, heartbeat=10, retry_policy=AGAIN)
    rename = ActivityProxy(name="renameimage", version=1, start_to_close=5, retry_policy=AGAIN)

    def run(self, url):
        resized = self.resize(url, SIZE)
        colors = self.sum_colors(url)
        return self.rename(resized, predominant(colors.result()))


def predominant(sums):
    """The colour with the largest sum; "grey" when all three are within two per cent."""
    color = max(sums, key=sums.get)
    return color if sums[color] > 1.02 * min(sums.values()) else "grey"


if __name__ == "__main__":
    from flowyd import start_workflow_worker

    start_workflow_worker("flowydtutorial", "image_processing")
