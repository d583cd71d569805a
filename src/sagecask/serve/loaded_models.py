"""The models of a multi-model endpoint: one copy each, in the one process that answers (contract §13)."""

from __future__ import annotations

import gc
import json
import logging
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sagecask import artifact
from sagecask.contract import available_memory
from sagecask.errors import InsufficientMemory, ModelAlreadyLoaded, ModelDataError, ModelNotLoaded
from sagecask.serve.heap import keep_few_arenas
from sagecask.serve.homes import HOMES, Home
from sagecask.serve.invocation import Invocations
from sagecask.serve.loading import algorithm_for, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sagecask.contract import MultiModelEndpoint, ServingJob

_log = logging.getLogger(__name__)

MEGABYTE = 1024 * 1024
# how the names of folders with unpacked archives begin
UNPACKED = "unpacked-"


@dataclass(slots=True)
class LoadedModel:
    """One model under its name.

    invocations : None while it is not in memory: given up for others, or not read again since a worker was replaced
    uses : requests that are being answered with it
    load_seconds : time that reading it took, None before it was read in this process
    home : the thread that reads it and gives it up
    unpacked : folder of what its archive held
    """

    name: str
    url: str
    invocations: Invocations | None = None
    uses: int = 0
    load_seconds: float | None = None
    home: Home | None = None
    unpacked: Path | None = None


@dataclass
class LoadedModels:
    """The table of models; every method may be called by several threads at once.

    named : algorithm of models whose folder does not say
    forget : told the name of a model that was unloaded
    scratch : folder for unpacked archives, and for the list by which a new process knows what the last one had
    """

    job: ServingJob
    endpoint: MultiModelEndpoint
    named: str | None
    scratch: Path
    forget: Callable[[str], None] = lambda _: None
    _models: OrderedDict[str, LoadedModel] = field(default_factory=OrderedDict)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _homes: tuple[Home, ...] = field(default_factory=lambda: tuple(Home() for _ in range(HOMES)))
    # algorithms whose libraries this process has imported
    _imported: set[str] = field(default_factory=set)
    # names that are being loaded or unloaded
    _busy: set[str] = field(default_factory=set)
    # loads under way, and the bytes that they may come to take
    _reading: int = 0
    _promised: int = 0

    def restore(self) -> None:
        """Take over what an earlier process had loaded; each model is read again when it is first asked for."""
        keep_few_arenas()
        for folder in self.scratch.glob(f"{UNPACKED}*"):
            shutil.rmtree(folder, ignore_errors=True)
        if self._list.exists():
            urls = json.loads(self._list.read_text(encoding="utf-8"))
            self._models.update({name: LoadedModel(name, url) for name, url in urls.items()})
            _log.warning("a worker was replaced: %d models will be read again when they are asked for", len(urls))

    def load(self, name: str, url: str) -> LoadedModel:
        """Read a model from a folder or archive; when this returns it can be asked.

        Raises
        ------
        ModelAlreadyLoaded : the name is taken
        InsufficientMemory : memory or disk would run short
        ModelDataError : there is no such model, or it is damaged
        """
        with self._alone(name):
            if name in self._models:
                raise ModelAlreadyLoaded(f'model "{name}": a name that is not loaded; got one that is')
            model = LoadedModel(name, url)
            self._read(model)
            with self._changed:
                self._models[name] = model
                self._write_list()
        _log.info("model %s: loaded from %s in %.3f s", name, url, model.load_seconds)
        return model

    def unload(self, name: str) -> LoadedModel:
        """Forget a model once the requests under way are answered; its memory is free when this returns.

        Raises
        ------
        ModelNotLoaded : no model has the name
        """
        with self._alone(name):
            with self._changed:
                model = self._find(name)
                del self._models[name]
                self._write_list()
                self._changed.wait_for(lambda: not model.uses)
                free = self._give_up(model)
            free()
            self.forget(name)
        _log.info("model %s: unloaded", name)
        return model

    def find(self, name: str) -> LoadedModel:
        """Return the entry of a name.

        Raises
        ------
        ModelNotLoaded : no model has the name
        """
        with self._changed:
            return self._find(name)

    def all(self) -> list[LoadedModel]:
        """Return the entries in the order of their names."""
        with self._changed:
            return sorted(self._models.values(), key=lambda model: model.name)

    @contextmanager
    def using(self, name: str) -> Iterator[Invocations]:
        """Hold a model in memory; the caller keeps no reference to what it is given.

        Raises
        ------
        ModelNotLoaded : no model has the name
        InsufficientMemory, ModelDataError : it has to be read again, as `load`
        """
        model, invocations = self._take(name)
        try:
            yield invocations
        finally:
            del invocations
            with self._changed:
                model.uses -= 1
                if not model.uses:
                    self._changed.notify_all()

    @property
    def _list(self) -> Path:
        return self.scratch / "models.json"

    def _find(self, name: str) -> LoadedModel:
        model = self._models.get(name)
        if model is None:
            raise ModelNotLoaded(f'model "{name}": one that is loaded; got none')
        return model

    def _write_list(self) -> None:
        fresh = self._list.with_suffix(".new")
        fresh.write_text(json.dumps({name: model.url for name, model in self._models.items()}), encoding="utf-8")
        fresh.replace(self._list)

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Let one thread at a time load or unload a name; different names do not wait for each other."""
        with self._changed:
            self._changed.wait_for(lambda: name not in self._busy)
            self._busy.add(name)
        try:
            yield
        finally:
            with self._changed:
                self._busy.remove(name)
                self._changed.notify_all()

    def _take(self, name: str) -> tuple[LoadedModel, Invocations]:
        while True:
            with self._changed:
                model = self._find(name)
                if model.invocations is not None:
                    model.uses += 1
                    self._models.move_to_end(name)
                    return model, model.invocations
            with self._alone(name):
                if self._models.get(name) is model and model.invocations is None:
                    self._read(model)
                    _log.info("model %s: read again from %s in %.3f s", name, model.url, model.load_seconds)

    def _read(self, model: LoadedModel) -> None:
        started = time.monotonic()
        folder = self._folder(model)
        try:
            algorithm = algorithm_for(folder, self.named, several=True)
            inference = algorithm.declaration.inference

            def read() -> None:
                model.invocations = Invocations(self.job, inference, load(algorithm, folder, self.job))

            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            with self._room(model.name, int(size * inference.multi_model.load_factor)):
                model.home = min(self._homes, key=lambda home: home.waiting)
                model.home.run(read)
            if algorithm.declaration.name not in self._imported:
                # what libraries import is no garbage; looking through it takes longer than reading a small model
                gc.freeze()
                self._imported.add(algorithm.declaration.name)
        except MemoryError as error:
            raise InsufficientMemory(f'model "{model.name}": memory to load it; got none') from error
        finally:
            if model.invocations is None:
                self._give_up(model)()
        model.load_seconds = time.monotonic() - started

    def _folder(self, model: LoadedModel) -> Path:
        """Return the model's folder; an archive is unpacked into one that lives as long as the model."""
        path = Path(model.url)
        if not path.is_file():
            return path
        needed, free = artifact.unpacked_size(path), shutil.disk_usage(self.scratch).free
        if needed > free:
            raise InsufficientMemory(f'model "{model.name}": {needed} bytes of scratch space; got {free}')
        model.unpacked = Path(tempfile.mkdtemp(prefix=UNPACKED, dir=self.scratch))
        try:
            artifact.unpack(path, model.unpacked)
        except ModelDataError:
            self._give_up(model)()
            raise
        return model.unpacked

    @contextmanager
    def _room(self, name: str, needed: int) -> Iterator[None]:
        """Promise memory to a load, after others were given up for it where that is allowed."""
        while (end := self._promise(name, needed)) is not None:
            end()
        try:
            yield
        finally:
            with self._changed:
                self._reading -= 1
                self._promised -= needed

    def _promise(self, name: str, needed: int) -> Callable[[], None] | None:
        """Note a promise, or take a model out that is to make room, and return what ends it."""
        with self._changed:
            short = self._shortage(needed)
            if short is None:
                self._reading += 1
                self._promised += needed
                return None
            idle = next((each for each in self._models.values() if each.invocations and not each.uses), None)
            if not self.endpoint.evict or idle is None:
                raise InsufficientMemory(f'model "{name}": {short}')
            _log.info("model %s: given up for %s, not asked for longest", idle.name, name)
            return self._give_up(idle)

    def _shortage(self, needed: int) -> str | None:
        limit = self.endpoint.max_models
        loaded = sum(each.invocations is not None for each in self._models.values()) + self._reading
        if limit and loaded >= limit:
            return f"at most {limit} models in memory; got one more"
        free = available_memory()
        left = None if free is None else free - self.endpoint.reserve_bytes - self._promised
        if left is not None and left < needed:
            return f"{_megabytes(needed)} of memory to load it; got {_megabytes(max(left, 0))} above the reserve"
        return None

    def _give_up(self, model: LoadedModel) -> Callable[[], None]:
        """Take from an entry what holds memory and disk; the caller frees both by calling what is returned."""
        held, unpacked = [model.invocations], model.unpacked
        model.invocations = model.unpacked = None

        def free() -> None:
            if held[0] is not None and model.home is not None:
                model.home.run(held.clear)
            if unpacked is not None:
                shutil.rmtree(unpacked, ignore_errors=True)

        return free


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.1f} MB"


def new_scratch() -> Path:
    """Make the folder of a server's LoadedModels; the caller removes it."""
    return Path(tempfile.mkdtemp(prefix="sagecask-"))
