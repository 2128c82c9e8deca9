"""A second client of the pipeline's shuffle queue, which takes elements one by one.

It writes JSON lines: {"took": id} for each element, and at its end {"ended": how, "error": text}.
"""

import signal
import sys
import time

import dflow as df
from tests.soak.pipeline import cut_connections, say, shuffled_queue


def main(target: str, container: str) -> None:
    with df.container(container):
        take = shuffled_queue().dequeue()
    try:
        with df.Session(target) as session:
            process = session.backend.process  # type: ignore[attr-defined]
            signal.signal(signal.SIGUSR2, lambda *_: cut_connections(process))
            while True:
                say(took=int(session.run(take)))
                time.sleep(0.01)  # it leaves most of them to the training loop
    except KeyboardInterrupt:
        say(ended="KeyboardInterrupt", error="")
    except df.errors.OutOfRangeError:
        say(ended="well", error="")
    except Exception as error:
        say(ended=type(error).__name__, error=str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
