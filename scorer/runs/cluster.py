"""A Dask cluster that exists already, for further workers: it is reached, checked, and given calls.

Functions of ours are sent, by name, and keys: no row, no model, no URL, no password. What a worker needs beyond them it reads by its own
settings. Calls go through joblib's own backend, which waits for ever where a package is missing or no worker is left. So it waits in a
thread of its own, every question to the cluster has a time limit, and the caller does what the cluster did not.
"""

from __future__ import annotations

import importlib.metadata
import ipaddress
import logging
import platform
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Self, TypeVar

import joblib

from scorer.config import Settings
from scorer.errors import UserError

_Answer = TypeVar("_Answer")
_PATIENCE = 20.0  # seconds for what takes a hundredth of one
_IDLE = 10.0  # seconds without any worker at work while calls are left: a worker that was killed is back by then, or will not be
_LOOK = 1.0
_EVERYWHERE = ("scorer", "joblib", "distributed")  # on the scheduler too, which reads what it passes on
_ON_WORKERS = ("numpy", "scikit-learn", "lightgbm")


class ClusterLost(Exception):
    """The cluster will not do what is left of its calls; the text says why."""


class Cluster:
    """The cluster of a scheduler, within a `with` block, whose end closes the connection."""

    def __init__(self, settings: Settings) -> None:
        """Raises UserError where `settings` name no scheduler, or one over a network, unencrypted.

        What a scheduler is sent are pickles, which are executed.
        """
        self._address = _address(settings)
        self._ended: queue.SimpleQueue[tuple[Any] | BaseException | None] = queue.SimpleQueue()
        self._idle_since: float | None = None

    def __enter__(self) -> Self:
        """Connect and compare versions.

        Raises UserError where it does not answer, has no worker, or one of its hosts has other versions.
        """
        distributed = _distributed()
        # What becomes of the cluster is logged by the caller.
        for name in ("distributed", "distributed.client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            self._client = distributed.Client(self._address, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"The Dask scheduler at {self._address} cannot be reached ({type(error).__name__}); start it, or give another --scheduler."
            ) from None
        try:
            self._check()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def workers(self) -> int:
        """How many workers it has now."""
        return len(self._ask(self._client.nthreads))

    def start(self, function: Callable[..., Any], calls: Iterable[Sequence[object]]) -> None:
        """Have the cluster call `function`, found by its name, with the arguments of each of `calls`."""
        delayed = [joblib.delayed(function)(*each) for each in calls]
        threading.Thread(target=self._collect, args=(delayed,), name="cluster", daemon=True).start()

    def results(self) -> Iterator[Any]:
        """The result of each call, as they end. Raises ClusterLost where no more will come."""
        while True:
            try:
                result = self._ended.get(timeout=_LOOK)
            except queue.Empty:
                self._require_alive()
                continue
            if result is None:
                return
            yield self._given(result)

    def results_so_far(self) -> list[Any]:
        """The results that have come since the last call of this, without waiting.

        Raises ClusterLost where what has come shows that no more will.
        """
        given = []
        while not self._ended.empty():
            result = self._ended.get()
            if result is not None:
                given.append(self._given(result))
        return given

    def forget(self, function: Callable[[], None]) -> None:
        """Have each worker that can call `function`, which frees what earlier calls have left in its memory."""
        if self._client.status == "running":
            with suppress(Exception):
                self._ask(lambda: self._client.run(function, on_error="ignore"))

    def _given(self, result: tuple[Any] | BaseException) -> Any:
        if isinstance(result, BaseException):
            gone = (
                "its scheduler is gone" if self._client.status != "running" else f"it gave up ({type(result).__name__})"
            )
            raise ClusterLost(gone)
        return result[0]

    def _collect(self, calls: list[Any]) -> None:
        """Pass on the results as they come; the thread ends with the last of them, or with the client."""
        try:
            with joblib.parallel_config(backend=_backend(self._client)):
                for result in joblib.Parallel(return_as="generator_unordered", pre_dispatch="all")(calls):
                    self._ended.put((result,))
            self._ended.put(None)
        except BaseException as error:  # noqa: BLE001 - the thread's edge: who listens decides
            self._ended.put(error)

    def _require_alive(self) -> None:
        """Raise ClusterLost where the scheduler is gone, or no worker has been at work for a while."""
        if self._client.status != "running":
            raise ClusterLost("its scheduler is gone")
        try:
            at_work = any(self._ask(self._client.processing).values())
        except UserError as error:
            raise ClusterLost("its scheduler does not answer") from error
        if at_work:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since > _IDLE:
            raise ClusterLost("none of its workers is at work on it")

    def _check(self) -> None:
        """Raise UserError where there is no worker, or a host lacks a package or has another version of it."""
        if not self.workers:
            raise UserError(
                f"The Dask scheduler at {self._address} has no worker; start some: dask worker {self._address}"
            )
        for package in _EVERYWHERE:
            self._compare(package, importlib.metadata.version, package, scheduler=True)
        for package in _ON_WORKERS:
            self._compare(package, importlib.metadata.version, package, scheduler=False)
        self._compare("Python", platform.python_version, scheduler=True)

    def _compare(self, what: str, version_of: Callable[..., str], *arguments: str, scheduler: bool) -> None:
        """Raise UserError where `what` has another version elsewhere than here, or is missing there.

        `version_of` is one of Python's own functions: the cluster may lack ours.
        """
        found = {
            f"worker {at}": each
            for at, each in self._ask(lambda: self._client.run(version_of, *arguments, on_error="return")).items()
        }
        if scheduler:
            found["the scheduler"] = self._ask(lambda: self._on_scheduler(version_of, *arguments))
        ours = version_of(*arguments)
        for place, version in found.items():
            if isinstance(version, Exception) and not isinstance(version, importlib.metadata.PackageNotFoundError):
                raise UserError(
                    f"The Dask cluster at {self._address} is not fit: {place} does not answer; start it again."
                )
            if isinstance(version, Exception):
                raise UserError(
                    f"The Dask cluster at {self._address} is not fit: {place} lacks {what}; install {what} {ours} there."
                )
            if version != ours and not (what == "Python" and _without_patch(str(version)) == _without_patch(ours)):
                raise UserError(
                    f"The Dask cluster at {self._address} is not fit: {place} has {what} {version}, and here it is {ours}; make them agree."
                )

    def _on_scheduler(self, version_of: Callable[..., str], *arguments: str) -> object:
        try:
            return self._client.run_on_scheduler(version_of, *arguments)
        except importlib.metadata.PackageNotFoundError as error:
            return error

    def _ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Return the answer. Raises UserError where none comes in time.

        Dask's own calls wait for ever for a worker that stands still.
        """
        answers: queue.SimpleQueue[tuple[_Answer] | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put((question(),))
            except Exception as error:  # noqa: BLE001 - handed on
                answers.put(error)

        threading.Thread(target=ask, name="cluster", daemon=True).start()
        try:
            answer = answers.get(timeout=_PATIENCE)
        except queue.Empty:
            raise UserError(f"The Dask cluster at {self._address} did not answer within {_PATIENCE:g} s.") from None
        if isinstance(answer, Exception):
            raise UserError(
                f"The Dask cluster at {self._address} does not answer ({type(answer).__name__})."
            ) from answer
        return answer[0]

    def _close(self) -> None:
        with suppress(Exception):  # a scheduler that is gone does not answer
            self._client.close(timeout=_PATIENCE)


def _address(settings: Settings) -> str:
    """The scheduler's address. Raises UserError where there is none, or one that may not be used."""
    address = settings.scheduler
    if address is None:
        raise UserError(
            "The backend dask needs the address of a scheduler: --scheduler tls://HOST:8786, or scheduler = in scorer.toml."
        )
    protocol, _, place = address.rpartition("://")
    host = place.rpartition(":")[0].strip("[]") or place
    if protocol != "tls" and not _is_here(host) and not settings.allow_plaintext:
        raise UserError(
            f"The connection to the Dask scheduler at {host} would be unencrypted, and what it is sent is executed; name it as "
            f"tls://{place} (with the certificates in Dask's own configuration), or set allow_plaintext = true."
        )
    return address


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _without_patch(version: str) -> str:
    """What must agree of Python's version.

    >>> _without_patch("3.11.7")
    '3.11'
    """
    return version.rpartition(".")[0]


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise UserError("The backend dask needs the package distributed; pip install 'scorer[dask]'.") from None
    return distributed


def _backend(client: Any) -> Any:
    """joblib's backend for Dask, which says that it has two threads at least.

    For a cluster of one thread, joblib would do the calls in this process.
    """
    from joblib._dask import DaskDistributedBackend

    backend = DaskDistributedBackend(client=client)
    threads = backend.effective_n_jobs
    backend.effective_n_jobs = lambda n_jobs: max(2, threads(n_jobs))
    return backend
