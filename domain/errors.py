"""Every error that a user of Parallel Workers can meet, as one tree.

    ParallelWorkersError            exit code 1
    +-- UsageError                  the call itself is wrong                     exit code 2
    |   +-- UnknownFormatError      no reader of that name, or none recognises the input
    |   +-- UnknownTaskError        no such task in the ledger
    |   +-- UnknownSubtaskError     no such subtask, blocker or worker
    |   +-- UnknownWebhookError     no such webhook
    |   +-- UnknownProjectionError  no such read model
    |   +-- InvalidRequestError     a request that says something impossible
    +-- UnauthenticatedError        no key was given, or none that is known
    +-- ForbiddenError              the key's role may not do this
    |   +-- NotYoursError           the worker, or the lease, is another key's
    +-- TooManyRequestsError        more requests than the key may make
    +-- ServiceError                the service cannot be reached, or answered with an error
    +-- ReportError                 the tool's output holds no usable record
    +-- ToolError                   a tool or worker command cannot be started, or failed
    +-- RepositoryError             the tree is not what a run needs, or git refused
    +-- UnfitError                  a runner's machine lacks what a task needs
    +-- LedgerError                 the database is out of reach or refused
    |   +-- VersionConflictError    somebody else appended to the stream first
    |   +-- RepeatedMessageError    a message of a decision is in the ledger already
    |   +-- InvalidEventError       an event that cannot be kept
    |   |   +-- PayloadTooLargeError
    |   +-- OverloadedError         more waits to be stored than the service will hold
    |   +-- OutcomeUnknownError     no answer in time: the events may be stored or not
    |   +-- CursorError             a reader's place that this ledger does not have
    |   +-- RebuildError            read models could not be made anew: those that were there are untouched
    |   +-- ModelError              a kept model of efforts that this version cannot use
    +-- LifecycleError              a command that the state of a subtask does not allow
    |   +-- NotClaimableError       the subtask is not ready, or a file of it is held
    |   +-- NotReportedError        no worker has said that the subtask is done
    |   +-- AlreadyReportedError    its worker has said the last word already
    |   +-- BehindError             the work does not continue the branch's present head
    |   +-- StaleLeaseError         the lease epoch is not the one that holds the subtask
    |   +-- IdempotencyError        a name or key that was used before, for something else

Each carries the fact that the user needs in its message, in one line.
"""

from __future__ import annotations


class ParallelWorkersError(Exception):
    """Anything that ends a command with one clear line instead of a traceback."""

    exit_code = 1


class UsageError(ParallelWorkersError):
    """The command was called in a way that cannot work."""

    exit_code = 2


class UnknownFormatError(UsageError):
    """No reader has that name, or none recognises the input."""


class UnknownTaskError(UsageError):
    """The ledger holds no task of that name."""


class UnknownSubtaskError(UsageError):
    """There is no such subtask, blocker, or worker."""


class UnknownWebhookError(UsageError):
    """There is no such webhook."""


class UnknownProjectionError(UsageError):
    """There is no read model of that name."""


class InvalidRequestError(UsageError):
    """A request that says something impossible; the message names the part."""


class UnauthenticatedError(ParallelWorkersError):
    """No key was given, or none that is known and still good."""


class ForbiddenError(ParallelWorkersError):
    """The key's role does not allow it."""


class NotYoursError(ForbiddenError):
    """The worker or the lease is another key's."""


class TooManyRequestsError(ParallelWorkersError):
    """More requests than the key may make: try again later."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ServiceError(ParallelWorkersError):
    """The service cannot be reached, or answered with an error, which the message repeats."""


class ReportError(ParallelWorkersError):
    """A tool's output holds no record that could be used."""


class ToolError(ParallelWorkersError):
    """A tool or a worker command is missing, or ended in a way that says nothing about the code."""


class RepositoryError(ParallelWorkersError):
    """The source tree is not fit for a run, or git refused an operation."""


class UnfitError(ParallelWorkersError):
    """A task cannot be worked on from here: its tree or its tool is missing, which says nothing about its work."""


class LedgerError(ParallelWorkersError):
    """The database cannot be reached, or refused what was asked."""


class VersionConflictError(LedgerError):
    """A stream has moved on since the caller read it."""


class RepeatedMessageError(LedgerError):
    """A message of a decision is in the ledger already, and the rest of the decision is not: nothing was stored."""


class InvalidEventError(LedgerError):
    """An event that the ledger could not keep as it is; the message says why."""


class PayloadTooLargeError(InvalidEventError):
    """A payload over the limit, which the message names."""


class OverloadedError(LedgerError):
    """The queue of events to be stored is full: nothing was taken, try again later."""

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class OutcomeUnknownError(LedgerError):
    """The answer did not come in time; sending the same events again stores each once."""


class CursorError(LedgerError):
    """A reader's place belongs to another ledger, or to one that was since restored from a backup."""


class RebuildError(LedgerError):
    """Read models could not be made anew; those that were there are untouched."""


class ModelError(LedgerError):
    """A kept model of efforts is damaged, or of another version: it can be made anew from the ledger."""


class UnknownModelError(UsageError):
    """No kept effort model has this name, or several have; the message says what there is."""


class LifecycleError(ParallelWorkersError):
    """A command that the present state does not allow."""


class NotClaimableError(LifecycleError):
    """The subtask cannot be handed out now; the message says why."""


class NotReportedError(LifecycleError):
    """A verdict on work that nobody has said to be done."""


class AlreadyReportedError(LifecycleError):
    """A report on a subtask whose worker has said to be done."""


class BehindError(LifecycleError):
    """Work on top of another commit than the branch's present head, which `head` gives: merge again."""

    def __init__(self, message: str, head: str) -> None:
        super().__init__(message)
        self.head = head


class StaleLeaseError(LifecycleError):
    """A report under a lease that has been taken over; the message names the holder."""


class IdempotencyError(LifecycleError):
    """A name or an idempotency key that was used before, for something else."""
