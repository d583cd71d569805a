"""Every error that sagecask raises on purpose.

    SagecaskError
    ├── UserError                    the caller can mend it                    exit 1
    │   ├── HyperparameterError      a hyperparameter is missing, unknown or out of range
    │   ├── DataError                a channel, file, row or request body is not what it must be
    │   │   ├── MalformedBody        a request body is not of its content type
    │   │   └── ModelDataError       the model folder or archive is not what it must be
    │   ├── UnsupportedMediaType     no codec for the content type
    │   ├── UnsupportedEncoding      a request body is compressed
    │   ├── NotAcceptable            no codec for what Accept asks for
    │   ├── PayloadTooLarge          the request body is over the limit
    │   ├── ModelNotLoaded           a request names a model that the server does not have
    │   └── ModelAlreadyLoaded       a model is to be loaded under a name that is taken
    ├── UsageError                   a command or variable is used wrongly     exit 2
    ├── AlgorithmError               training or prediction failed unexpectedly  exit 3
    └── PlatformError                the environment broke a promise             exit 3
        ├── InsufficientMemory       memory or scratch space is short for one more model
        └── PeerLost                 another host or process of the job has ended, and says why itself

    TrainingStopped                  SIGTERM reached a job that has nothing to save yet; not a failure

Messages have the form *where: what must hold; got what*.
"""

from typing import ClassVar


class SagecaskError(Exception):
    """Base of all; `exit_code` ends the process, `kind` opens the failure file."""

    exit_code: ClassVar[int] = 3
    kind: ClassVar[str] = "InternalServerError"


class UserError(SagecaskError):
    """Something that the caller gave must be changed by the caller."""

    exit_code = 1
    kind = "ClientError"


class HyperparameterError(UserError):
    """One or more hyperparameters are missing, unknown, unreadable or out of range."""


class DataError(UserError):
    """Training data or a request body does not have the form that its content type promises."""


class MalformedBody(DataError):
    """A request body cannot be read as its content type."""


class ModelDataError(DataError):
    """A model folder or archive is missing, damaged, unsafe or of another algorithm."""


class UnsupportedMediaType(UserError):
    """The content type is none that can be read here."""


class UnsupportedEncoding(UserError):
    """A request body comes with a Content-Encoding, of which none is undone here."""


class NotAcceptable(UserError):
    """Accept names no type that can be written here."""


class PayloadTooLarge(UserError):
    """The request body is larger than the server takes."""


class ModelNotLoaded(UserError):
    """No model of that name is loaded."""


class ModelAlreadyLoaded(UserError):
    """A model of that name is loaded."""


class UsageError(SagecaskError):
    """A command-line option or environment variable is missing or wrong."""

    exit_code = 2
    kind = "ClientError"


class AlgorithmError(SagecaskError):
    """Training or prediction failed in a way that the caller's input does not explain."""

    kind = "AlgorithmError"


class PlatformError(SagecaskError):
    """The machine, engine or network did not keep what the contract promises."""


class InsufficientMemory(PlatformError):
    """Memory or scratch space is short for one more model."""


class PeerLost(PlatformError):
    """Another host or process of the job has ended or cannot be reached; its own log says why."""


class TrainingStopped(Exception):
    """The job was asked to stop and has nothing to save; ends the process with 0."""
