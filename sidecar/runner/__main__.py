"""The supervisor's command line: ``python3 -I -S supervisor.pyz VERB ...``; the batch script is who calls it.

    run POD_DIRECTORY FILES PRIVATE BEGAN_AT   run the pod's containers
    proxy FILES PRIVATE                        open the site's tunnel to its login node
    tunnels FILES PRIVATE                      run interLink's tunnel commands
    rank FILE                                  one rank of an MPI program
    clean-ranks PRIVATE                        remove what ranks left on this node
    warm                                       fetch an image into the cache
    check                                      say what this node can do
    compile                                    keep the program's compiled code beside it, for this Python

This file must be read by any Python, so that one that is too old can say so.
"""

import os
import sys
import time

OLDEST = (3, 6)


def main():  # type: () -> int
    """Do what the command line says; the exit code is the job's."""
    if sys.version_info < OLDEST:
        sys.stderr.write(
            "slurm-sidecar: %s on node %s is Python %d.%d, and the supervisor needs %d.%d or newer; the site can name "
            "another one (RunnerPython)\n"
            % (sys.executable, os.uname()[1], sys.version_info[0], sys.version_info[1], OLDEST[0], OLDEST[1])
        )
        if sys.argv[1] == "run":
            end_early(sys.argv[2], sys.argv[4])
        return 128
    have_standard_descriptors()
    sys.stderr = Words()
    use_compiled(os.path.abspath(sys.argv[0]))
    from sidecar.runner.verbs import VERBS

    return VERBS[sys.argv[1]](sys.argv[2:])


class Words(object):
    """What goes to stderr, at once, because ``os._exit`` and signals would lose it.

    Where it cannot be written, such as on a full file system, the job's work goes on.
    """

    def write(self, text):  # type: (str) -> None
        """Write it, as far as that can be done."""
        try:
            os.write(2, text.encode("utf-8", "backslashreplace"))
        except OSError:
            pass

    def flush(self):  # type: () -> None
        """Do nothing: nothing is kept."""


def have_standard_descriptors():  # type: () -> None
    """Open what the shell text before this has closed, or the first pipes and files would have these numbers."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115


def end_early(directory, private):  # type: (str, str) -> None
    """Report the job's code, which not every sacct tells, and leave nothing on the node."""
    import shutil

    try:
        with open(os.path.join(directory, "report.jsonl"), "a") as report:
            report.write('{"fact": "job_finished", "at": %d, "code": 128}\n' % time.time())
    except (IOError, OSError):  # two things in Python 2
        pass
    if private:
        shutil.rmtree(private, True)


def use_compiled(program):  # type: (str) -> None
    """Take the code that was compiled for this Python, where it is beside the program and of the same owner.

    To compile it anew takes 40 ms of each job.
    """
    path = "%s.%s.zip" % (program[: -len(".pyz")], sys.implementation.cache_tag)
    try:
        if os.stat(path).st_uid == os.stat(program).st_uid:
            sys.path.insert(0, path)
    except OSError:
        pass


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # what is left to tidy up goes with the process, and faster
