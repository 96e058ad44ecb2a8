"""Experiments: variants compared over a data set, with scorers, a ledger and one line of progress."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any
from uuid import UUID

from lumnisai_core import AsyncClient, Client, JobProgress, JobProgressCallback, ProgressLine
from lumnisai_core import lucidic as lucidic_platform
from lumnisai_core.exceptions import ValidationError
from lumnisai_integrations.experiments.answers import Answer
from lumnisai_integrations.experiments.calls import Calls, blocking
from lumnisai_integrations.experiments.datasets import Data, Row, read_rows
from lumnisai_integrations.experiments.ledger import Ledger, Place
from lumnisai_integrations.experiments.plain import digest
from lumnisai_integrations.experiments.recording import Recorder, experiment_id_in, session_note
from lumnisai_integrations.experiments.results import Results
from lumnisai_integrations.experiments.scorers import as_scorers
from lumnisai_integrations.experiments.scoring import Scorer
from lumnisai_integrations.experiments.trial import Trial
from lumnisai_integrations.experiments.variants import Variant, as_variant


@dataclass(frozen=True, slots=True)
class _Cell:
    """One trial to make."""

    variant: Variant
    row: Row
    place: Place


@dataclass(frozen=True, slots=True)
class _Start:
    """What one start of an experiment works with."""

    calls: Calls
    recorder: Recorder | None
    rescored: frozenset[str]
    retry_failed: bool


class Experiment:
    """Compares variants over a data set: each answers each row, and scorers judge the answers.

    >>> experiment = Experiment(
    ...     "tides", rows, {"short": "{question}", "long": "{notes} {question}"}, [Contains()], ledger="tides.jsonl"
    ... )
    >>> experiment.run()

    An experiment that is interrupted continues with the trials that are left, and one that has not changed makes no
    calls: the ledger keeps all answers and scores. A changed prompt, row or scorer makes only what it changes. Function
    variants and function scorers are known by their names: rename one whose code has changed.

    Args:
        name: Name of the experiment.
        data: A list of dicts or texts, a pandas data frame, the path of a file ``.jsonl``, ``.csv``, ``.tsv`` or
            ``.json``, or a data set of Lucidic.
        variants: What to compare by name: prompts with fields as ``{name}``, functions, objects of LangChain or
            LlamaIndex, dicts with ``prompt`` and parameters of runs, or :class:`Variant`. Prompts and functions may be
            a list; they are named by themselves.
        scorers: Scorers, functions of a :class:`Trial`, evaluators of LangChain and LlamaIndex; in a dict with their
            names, or in a list. Default: none.
        repeats: How often each variant answers each row. Default 1.
        key: The field that identifies a row. Default: ``id`` if every row has one, else a fingerprint of the row.
        expected: The field with the expected answer. Default ``expected``.
        max_in_flight: Trials at the same time. Default 50.
        client: Client of the runs of prompts and judges. Default: one with the settings of the environment.
        user_id: User of those runs. Default: that of the client.
        ledger: File that keeps answers and scores, which several experiments must not share. Default: they are kept in
            this object only.
        lucidic: Client of Lucidic in which experiment, sessions, events and scores are recorded. Default: nowhere.
        seed: Seed of the statistics of the results. Default 0.

    Raises:
        ValidationError: An argument is invalid, a prompt names a field that a row does not have, or data or ledger
            cannot be read.
    """

    def __init__(
        self,
        name: str,
        data: Data,
        variants: Mapping[str, Any] | Iterable[Any],
        scorers: Iterable[Any] | Mapping[str, Any] = (),
        *,
        repeats: int = 1,
        key: str | None = None,
        expected: str = "expected",
        max_in_flight: int = 50,
        client: Client | AsyncClient | None = None,
        user_id: str | UUID | None = None,
        ledger: str | PathLike[str] | None = None,
        lucidic: lucidic_platform.Client | lucidic_platform.AsyncClient | None = None,
        seed: int = 0,
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ValidationError(f"name must be a non-empty string, got {name!r}.")
        for what, number, least in (("repeats", repeats, 1), ("max_in_flight", max_in_flight, 1), ("seed", seed, 0)):
            if not isinstance(number, int) or isinstance(number, bool) or number < least:
                raise ValidationError(f"{what} must be a whole number, {least} or more, got {number!r}.")
        if client is not None and not isinstance(client, Client | AsyncClient):
            raise ValidationError(f"client must be a Client or an AsyncClient, got {type(client).__name__}.")
        if lucidic is not None and not isinstance(lucidic, lucidic_platform.Client | lucidic_platform.AsyncClient):
            raise ValidationError(f"lucidic must be a client of Lucidic, got {type(lucidic).__name__}.")
        self.name = name
        self.rows: tuple[Row, ...] = read_rows(data, key=key, expected=expected)
        self.variants: dict[str, Variant] = _named(variants)
        self.scorers: tuple[Scorer, ...] = as_scorers(scorers)
        self._client, self._user_id, self._lucidic = client, user_id, lucidic
        self._repeats, self._max_in_flight, self._seed = repeats, max_in_flight, seed
        needy = next((one for one in self.scorers if one.needs_expected), None)
        if needy is not None and all(row.expected is None for row in self.rows):
            raise ValidationError(
                f"the scorer {needy.name!r} compares with the expected answer, but no row has a field {expected!r}."
            )
        self._cells = self._planned()
        #: The fingerprints of the scores of each row, by the name of the scorer.
        self._fingerprints = {
            row.key: {one.name: one.fingerprint(row.expected) for one in self.scorers} for row in self.rows
        }
        self._ledger = Ledger(ledger)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.name!r}, {len(self.rows)} rows, variants {', '.join(self.variants)}, "
            f"scorers {', '.join(one.name for one in self.scorers) or 'none'})"
        )

    @property
    def lucidic_id(self) -> str | None:
        """Id of the experiment in Lucidic; None if nothing is recorded there."""
        return None if self._lucidic is None else experiment_id_in(self._ledger, self._lucidic)

    def run(
        self,
        *,
        rescore: bool | Collection[str] = False,
        retry_failed: bool = False,
        progress: bool | JobProgressCallback = True,
    ) -> Results:
        """Make the trials that are left and return the results. It works in notebooks, too, where a loop is running.

        What goes wrong with a row is in its trial. Such a trial is made again by the next start, unless the platform
        has reported its run as failed. Leaving early stops the runs under way; :meth:`results` has what is finished.

        Args:
            rescore: Whether to score finished trials again; or the names of the scorers that do so. Default False.
            retry_failed: Whether rows whose runs failed get further runs. Default False.
            progress: Whether to show a line with trials, rate, errors and the time left; or a function that is called
                with a :class:`lumnisai_core.JobProgress` after each trial. Default True.

        Returns:
            The results of all trials of this experiment, also those of earlier starts.

        Raises:
            ValidationError: ``rescore`` names a scorer that does not exist, or the ledger cannot be read.
            AuthenticationError: The platform refuses the API key.
            ConfigurationError: There is no API key.
            MissingUserId: There is no user for the runs.
        """
        chosen = self._chosen(rescore)
        return blocking(lambda: self._run(chosen, retry_failed=retry_failed, progress=progress, is_blocking=True))

    async def arun(
        self,
        *,
        rescore: bool | Collection[str] = False,
        retry_failed: bool = False,
        progress: bool | JobProgressCallback = True,
    ) -> Results:
        """Make the trials that are left and return the results; see :meth:`run`."""
        chosen = self._chosen(rescore)
        return await self._run(chosen, retry_failed=retry_failed, progress=progress, is_blocking=False)

    def results(self) -> Results:
        """Return the results of the trials that are finished, without making any: those of an interrupted run, too."""
        self._ledger.load()
        return self._results()

    def _results(self) -> Results:
        order = {name: number for number, name in enumerate(self.variants)}
        known = [self._trial(cell) for cell in self._cells if self._ledger.answer(cell.place) is not None]
        known.sort(key=lambda trial: order[trial.variant])
        return Results(known, name=self.name, total=len(self._cells), seed=self._seed)

    def _planned(self) -> list[_Cell]:
        """Return all trials, those of a row one after the other: what an interrupt leaves can be compared."""
        digests = {}
        for name, variant in self.variants.items():
            for row in self.rows:
                try:
                    digests[name, row.key] = digest(variant.request(row))
                except Exception as error:
                    raise ValidationError(f"variant {name!r}, row {row.key!r}: {error}") from error
        return [
            _Cell(variant, row, (name, row.key, repeat, digests[name, row.key]))
            for repeat in range(self._repeats)
            for row in self.rows
            for name, variant in self.variants.items()
        ]

    def _chosen(self, rescore: bool | Collection[str]) -> frozenset[str]:
        names = frozenset(one.name for one in self.scorers)
        if isinstance(rescore, bool):
            return names if rescore else frozenset()
        chosen = frozenset([rescore] if isinstance(rescore, str) else rescore)
        if unknown := sorted(chosen - names):
            raise ValidationError(f"rescore names {unknown[0]!r}: the scorers are {', '.join(sorted(names))}.")
        return chosen

    async def _run(
        self,
        rescored: frozenset[str],
        *,
        retry_failed: bool,
        progress: bool | JobProgressCallback,
        is_blocking: bool,
    ) -> Results:
        await asyncio.to_thread(self._ledger.load)
        cells = [cell for cell in self._cells if self._has_work(cell, rescored, retry_failed=retry_failed)]
        if not cells:
            return self._results()
        async with AsyncExitStack() as stack:
            client = self._client
            if client is not None and self._user_id is not None:
                client = client.for_user(self._user_id)
            makes_runs = any(cell.variant.makes_runs for cell in cells) or any(one.makes_runs for one in self.scorers)
            if client is None and makes_runs:
                client = await stack.enter_async_context(AsyncClient(user_id=self._user_id))
            runs = None if self._ledger.path is None else self._ledger  # without a file, their keys find them
            calls = Calls(client, self._ledger.job, runs, max_in_flight=self._max_in_flight, blocking=is_blocking)
            stack.callback(calls.close)
            recorder = None
            if self._lucidic is not None:
                recorder = Recorder(self._lucidic, calls, self._ledger, self.name)
            start = _Start(calls, recorder, rescored, retry_failed)
            with _Shown(len(cells), progress) as shown:
                await self._make_all(cells, start, shown)
        return self._results()

    async def _make_all(self, cells: list[_Cell], start: _Start, shown: _Shown) -> None:
        """Make trials, many at a time. Whatever ends it, what is finished is written."""
        room = asyncio.Semaphore(self._max_in_flight)

        async def make(cell: _Cell) -> None:
            shown(await self._make(cell, start))

        writing = asyncio.ensure_future(self._ledger.keep_written())
        try:
            async with asyncio.TaskGroup() as group:
                for cell in cells:
                    await room.acquire()
                    group.create_task(make(cell)).add_done_callback(lambda _: room.release())
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            writing.cancel()
            await _finished(start.calls.stop())
            await _finished(asyncio.to_thread(self._ledger.flush))

    async def _make(self, cell: _Cell, start: _Start) -> Trial:
        """Make one trial: its answer, its scores and its record in Lucidic, as far as they are not there."""
        ledger, place = self._ledger, cell.place
        key = json.dumps(place[:3])
        ledger.add_row(cell.row.key, cell.row.input, cell.row.expected)
        if self._needs_answer(cell, retry_failed=start.retry_failed):
            tries = ledger.failures(place)
            answer = await cell.variant.answer(f"{key} {tries}" if tries else key, cell.row, start.calls)
            ledger.add_answer(place, _fields(answer))
        trial = self._trial(cell)
        missing = self._missing_scores(trial, cell, start.rescored)
        if missing:
            scores = await asyncio.gather(*(one.score(trial, start.calls) for one in missing))
            for scorer, score in zip(missing, scores, strict=True):
                fingerprint = self._fingerprints[cell.row.key][scorer.name]
                ledger.add_score(place, scorer.name, {**score._asdict(), "fingerprint": fingerprint})
            trial = self._trial(cell)
        if start.recorder is not None:
            await start.recorder.record(trial, cell.row, place, self._recordable(trial))
            trial = self._trial(cell)
        return trial

    def _has_work(self, cell: _Cell, rescored: frozenset[str], *, retry_failed: bool) -> bool:
        if self._needs_answer(cell, retry_failed=retry_failed):
            return True
        trial = self._trial(cell)
        if self._missing_scores(trial, cell, rescored):
            return True
        if self._lucidic is None:
            return False
        noted = session_note(self._ledger, self._lucidic, cell.place)
        return not noted or noted.get("scores") != self._recordable(trial)

    def _needs_answer(self, cell: _Cell, *, retry_failed: bool) -> bool:
        answer = self._ledger.answer(cell.place)
        if answer is None or not answer.get("is_final"):
            return True
        return retry_failed and answer.get("error") is not None

    def _missing_scores(self, trial: Trial, cell: _Cell, rescored: frozenset[str]) -> list[Scorer]:
        if trial.error is not None:
            return []
        known = self._known_scores(cell)
        return [one for one in self.scorers if one.name in rescored or not known.get(one.name, {}).get("is_final")]

    def _known_scores(self, cell: _Cell) -> dict[str, dict[str, Any]]:
        """Return the scores of a trial by the scorers of this experiment with their present settings."""
        known = self._ledger.scores(cell.place)
        prints = self._fingerprints[cell.row.key]
        return {
            one.name: known[one.name]
            for one in self.scorers
            if known.get(one.name, {}).get("fingerprint") == prints[one.name]
        }

    def _recordable(self, trial: Trial) -> dict[str, str]:
        """Return the scores that a trial has, each with its fingerprint, as they are known to be recorded."""
        prints = self._fingerprints[trial.row]
        return {name: f"{prints[name]} {value}" for name, value in trial.scores.items() if value is not None}

    def _trial(self, cell: _Cell) -> Trial:
        """Return a trial of this experiment. Scores that are not made yet are left out, those of a failure are None."""
        trial = self._ledger.trial(cell.place)
        known = self._known_scores(cell)
        scores = {name: one.get("value") for name, one in known.items()}
        if trial.error is not None:
            scores = dict.fromkeys(self._fingerprints[cell.row.key])
        return replace(
            trial,
            input=cell.row.input,
            expected=cell.row.expected,
            scores=scores,
            reasons={name: str(one["reason"]) for name, one in known.items() if one.get("reason")},
            session_id=session_note(self._ledger, self._lucidic, cell.place).get("session_id"),
        )


class _Shown:
    """The progress of a start: trials done and failed, tokens of their answers."""

    def __init__(self, total: int, progress: bool | JobProgressCallback) -> None:
        self._line = ProgressLine() if progress is True else None
        self._show = self._line or (progress if callable(progress) else None)
        self._progress = JobProgress(total=total)
        self._began = time.monotonic()

    def __call__(self, trial: Trial) -> None:
        before = self._progress
        self._progress = replace(
            before,
            done=before.done + 1,
            errors=before.errors + (trial.error is not None),
            seconds=time.monotonic() - self._began,
            input_tokens=_sum(before.input_tokens, trial.input_tokens),
            output_tokens=_sum(before.output_tokens, trial.output_tokens),
        )
        if self._show is not None:
            self._show(self._progress)

    def __enter__(self) -> _Shown:
        return self

    def __exit__(self, *_: object) -> None:
        if self._line is not None:
            self._line.close()


def _sum(known: int | None, more: int | None) -> int | None:
    return known if more is None else (known or 0) + more


def _fields(answer: Answer) -> dict[str, Any]:
    return {name: getattr(answer, name) for name in Answer.__slots__ if getattr(answer, name) is not None}


async def _finished(work: Awaitable[object]) -> None:
    """Wait for the end of work, also where the task that waits is cancelled meanwhile."""
    await asyncio.shield(asyncio.ensure_future(work))


def _named(variants: Mapping[str, Any] | Iterable[Any]) -> dict[str, Variant]:
    if isinstance(variants, str | Variant) or not isinstance(variants, Iterable):
        raise ValidationError(f"variants must be a dict from name to variant or a list, got {variants!r:.100}.")
    if not isinstance(variants, Mapping):
        listed = list(variants)
        names = [one if isinstance(one, str) else getattr(one, "__name__", type(one).__name__) for one in listed]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValidationError(f"two variants have the name {twice!r}: pass a dict from name to variant.")
        variants = dict(zip(names, listed, strict=True))
    if not variants:
        raise ValidationError("variants is empty: an experiment needs at least one.")
    for name in variants:
        if not isinstance(name, str) or not name.strip():
            raise ValidationError(f"the name of a variant must be a non-empty string, got {name!r}.")
    return {name: as_variant(name, value) for name, value in variants.items()}
