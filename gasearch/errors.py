"""Every error that a user can meet; each carries the exit status of the command line.

GasearchError (1)
├── BadInput (2)
│   ├── SpecError          a spec, an override or a limit that can't be used
│   │   └── DataNotHere    the data that it names must be downloaded first
│   ├── UnknownSearch      no search, or no network, of that name
│   └── WrongState         the search is finished, already runs, or was made from another spec
├── SearchFailed (1)       it ended, and every evaluation failed
├── LeaseLost (3)          another controller owns the search
├── StoreError (4)         the database can't be reached, is full, or has another schema
│   ├── NoStore            there is none of that name, or it holds no gasearch data
│   └── StoreLost          its file is gone, or another one stands in its place
├── GivenUp (1)            a question took too long, or nobody waits for its answer
├── WorkersUnavailable (1) Ray or a device will not start
├── Paused (5)             too much failed in a row: resumable once the cause is mended
│   └── OperatorFailed     an operator of the user's own toolbox raised, or made what is no individual
└── Interrupted (130)      stopped by the user; resumable
"""

from __future__ import annotations


class GasearchError(Exception):
    """The root: one clear sentence that says what happened and what to do."""

    exit_status = 1


class BadInput(GasearchError):
    """Something that the user gave can't be used; nothing was started."""

    exit_status = 2


class SpecError(BadInput):
    """A spec, an override (`--set`) or a limit (`--where`) that can't be used."""


class DataNotHere(SpecError):
    """The data that a spec names are not on this machine, and it doesn't say that they may be downloaded."""


class UnknownSearch(BadInput):
    """No search, or no network in it, has that name."""


class WrongState(BadInput):
    """The search can't do that now: it is finished, it already runs, or another spec made it."""


class SearchFailed(GasearchError):
    """The search ended, and not one evaluation gave a measurement; it is stored as failed, with the causes."""


class LeaseLost(GasearchError):
    """Another controller owns the search; this one wrote nothing after it lost it."""

    exit_status = 3


class StoreError(GasearchError):
    """The database can't be reached, refuses to write, or holds another schema."""

    exit_status = 4


class NoStore(StoreError):
    """There is no database of that name, or nothing of gasearch in it."""


class StoreLost(StoreError):
    """The database's file is gone, or another one stands in its place: nothing that is written arrives any more."""


class GivenUp(GasearchError):
    """A question took too long, or whoever asked it no longer waits for the answer."""


class WorkersUnavailable(GasearchError):
    """Ray, a node or a device will not start."""


class Paused(GasearchError):
    """The search stopped itself, since too much failed in a row: mend the cause, then `resume` goes on."""

    exit_status = 5


class OperatorFailed(Paused):
    """An operator of a toolbox raised, or made what is no individual: mend it, then `resume` goes on."""


class TrainingsFailed(GasearchError):
    """Some of the final trainings failed; what succeeded is stored."""


class Interrupted(GasearchError):
    """The user stopped the search; `resume` goes on."""

    exit_status = 130
