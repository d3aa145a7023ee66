"""Running the command line in this process: what it printed, and files to run it on."""

import json

import numpy as np
import pytest

from landscape_cpp import cli


class Run:
    """main() in this process, with what it printed."""

    def __init__(self, capsys, folder):
        self.capsys, self.folder = capsys, folder

    def __call__(self, *argv):
        status = cli.main([str(word) for word in argv])
        out, err = self.capsys.readouterr()
        return status, out, err

    def ok(self, *argv):
        status, out, err = self(*argv)
        assert (status, err) == (0, "")
        return out

    def json(self, *argv):
        return json.loads(self.ok(*argv, "--json", "-"), parse_constant=pytest.fail)

    def fails(self, *argv):
        """The message of a refused command: one line on standard error, nothing on standard output, exit status 2."""
        status, out, err = self(*argv)
        assert (status, out) == (2, "")
        assert err.startswith("landscape: error: ")
        assert err.count("\n") == 1
        assert err.endswith("\n")
        return err[len("landscape: error: ") : -1]

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def array(self, name, array):
        np.save(self.folder / name, array)
        return self.folder / name

    def archive(self, name, **arrays):
        np.savez(self.folder / name, **arrays)
        return self.folder / name
