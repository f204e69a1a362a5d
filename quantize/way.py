"""The steps of one conversion, and what they hand on to each other."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from quantize.baking import register_baked
from quantize.budget import Budget
from quantize.checks import examine
from quantize.conversion import Conversion, Findings, as_json, document
from quantize.engine import Kernels
from quantize.errors import BudgetError, CheckError
from quantize.golden import golden_rows
from quantize.making import Made, Material, make
from quantize.measuring import (
    Judged,
    Latency,
    float_outputs,
    judge,
    measure_latency,
    with_source,
)
from quantize.memory import forget_peak, give_back, give_back_after, peak_bytes
from quantize.model_card import find_model_card
from quantize.modelfile import digest_of, load_model, write_file
from quantize.outputs import Names, Staging
from quantize.passes import Step
from quantize.prepare import prepare
from quantize.recognition import identity_judge
from quantize.saturation import Saturation, check_saturation
from quantize.settings import Progress, Settings
from quantize.targets import TargetProfile
from quantize.writing import write_model

if TYPE_CHECKING:
    from quantize.search import Found

__all__ = ["HELD_OUT", "Way"]

_TRIES = 4  # how often a file may fall short of what its search promised
_SATURATION_SAMPLES = 4
_USUAL_STEPS = 12  # rewrites, for a progress bar

HELD_OUT = 24
"""Samples that quality is judged on."""


class Way:
    """One conversion on its way.

    The models are attributes, so that each can be let go when it has done its part: there is not
    memory for all of them and two engines at once.
    """

    def __init__(
        self,
        settings: Settings,
        profile: TargetProfile,
        names: Names,
        staging: Staging,
        budget: Budget | None,
        progress: Progress,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            settings: what was asked for, checked.
            profile: of the target.
            names: of what will be written.
            staging: where that is written until it is published; open.
            budget: that the worst picture must keep.
            progress: told of each step.
        """
        self._settings = settings
        self._profile = profile
        self._names = names
        self._staging = staging
        self._budget = budget
        self._progress = progress
        self._start = time.monotonic()
        # What lies free in the process would be used again, and not be seen in the peak.
        give_back()
        forget_peak()
        self._memory_before = peak_bytes()
        # Of all precisions, targets differ in how they compute integers alone.
        self._kernels: Kernels = profile.kernels if settings.precision == "int8" else "default"

    def walk(self) -> Conversion:
        """Go all the way.

        Returns:
            Where the files are, and all that was measured.

        Raises:
            EdgeError: as `quantize.convert` says.
        """
        for step in (self._read, self._prepare, self._sample, self._make):
            step()
            give_back_after(self._file.size)
        latency = self._time()
        facts = self._facts(latency)
        write_file(self._staging.path(self._names.report), as_json(facts).encode())
        return self._publish(facts)

    def _read(self) -> None:
        self._progress("reading", 0, 1)
        self._file = load_model(self._settings.model)
        self._card, self._card_note = find_model_card(self._settings.card, self._file)

    def _prepare(self) -> None:
        done = 0

        def after_step(step: Step) -> None:
            nonlocal done
            done += 1
            self._progress("rewriting", done, max(done, _USUAL_STEPS))

        settings = self._settings
        self._prepared = prepare(
            self._file,
            self._profile,
            settings.form,
            settings.precision,
            card=self._card,
            bake=settings.bake,
            source_picture=settings.source_picture,
            threads=settings.threads,
            progress=after_step,
        )
        self._file = replace(self._file, model=onnx.ModelProto())
        if self._prepared.baked is not None:
            # Should this process be killed, what it leaves goes with the identity all the same.
            register_baked(self._prepared.baked, self._staging.folder)
        if self._prepared.emap is not None:
            np.save(self._staging.path(self._names.emap), self._prepared.emap)
        if self._budget is not None and self._budget.metric == "identity":
            # Now, and not when all the work for it is done.
            identity_judge(self._prepared.contract, self._budget, threads=settings.threads)

    def _sample(self) -> None:
        """Get held-out samples, and what the untouched model gives for them."""
        from quantize.samples import held_out_samples

        self._progress("samples", 0, 1)
        prepared = self._prepared
        self._held_out = held_out_samples(
            prepared.contract, count=HELD_OUT, threads=self._settings.threads
        )
        self._full = with_source(self._held_out, prepared.original.identity_input, prepared.fed)
        self._reference = float_outputs(
            self._settings.model,
            self._full,
            threads=self._settings.threads,
            progress=self._progress,
        )

    def _make(self) -> None:
        """Convert, write and judge; again where kernels saturate, or a file misses its budget."""
        goal, seven_bits, balanced = self._budget, False, ""
        for left in reversed(range(_TRIES)):
            material = Material(
                self._prepared, self._profile, goal, reduce_range=seven_bits, balanced=balanced
            )
            made = self._attempt(material)
            give_back_after(self._file.size)  # the search has let go of many engines
            balanced = made.balanced
            self._judged = self._written(made)
            self._saturation = self._checked(made)
            self._made = replace(made, model=onnx.ModelProto())
            del made, material
            short = self._shortfall()
            if self._saturates():
                if seven_bits or not left:
                    raise CheckError(self._refused())
                seven_bits = True
            elif short <= 0:
                break
            elif goal is None or self._made.found is None or not left:
                raise BudgetError(self._missed())
            else:  # other faces and kernels than those that the search had: ask for more
                goal = self._next_goal(goal, self._made.found)
        self._prepared = replace(self._prepared, model=onnx.ModelProto())

    def _next_goal(self, goal: Budget, found: Found) -> Budget:
        """Return what the next search has to reach, by how far this one was off."""
        assert self._budget is not None
        promised = max(goal.reached(found.scores), goal.value)
        return self._budget.tightened(promised, goal.reached(self._judged.scores))

    def _attempt(self, material: Material) -> Made:
        try:
            return make(self._settings, material, self._progress)
        except BudgetError as error:
            if material.budget == self._budget:
                raise
            # More than was asked for: what it came to before is what counts.
            raise BudgetError(self._missed()) from error

    def _written(self, made: Made) -> Judged:
        path, settings = self._staging.path(self._names.model), self._settings
        self._progress("writing", 0, 1)
        self._written_notes = write_model(made, path, settings, self._profile)
        self._progress("checking", 0, 1)
        self._static = examine(made.model, self._profile, settings.form)
        return judge(
            path,
            made.model,
            self._reference,
            self._held_out,
            self._prepared.contract,
            integer=settings.precision == "int8" or settings.coarse,
            kernels=self._kernels,
            threads=settings.threads,
        )

    def _checked(self, made: Made) -> Saturation | None:
        """Compare the kernels of an 8-bit model, where ONNX Runtime will run it."""
        if self._settings.precision != "int8" or self._settings.form not in ("onnx", "ort"):
            return None
        give_back_after(self._file.size)  # two more engines are about to be made
        self._progress("comparing kernels", 0, 1)
        few = replace(self._held_out, feeds=self._held_out.feeds[:_SATURATION_SAMPLES])
        return check_saturation(
            made.model,
            few,
            float_outputs=self._reference[:_SATURATION_SAMPLES],
            threads=self._settings.threads,
        )

    def _saturates(self) -> bool:
        """Return whether the target's own kernels lose what the file holds."""
        found = self._saturation
        ours = self._profile.kernels == "default"  # those of other processors are not here to ask
        return ours and found is not None and found.verdict == "saturates"

    def _refused(self) -> str:
        assert self._saturation is not None
        return (
            f"on this processor the 8-bit model is worse than its file: {self._saturation.text}; "
            "take another recipe, or --precision fp16"
        )

    def _shortfall(self) -> float:
        """Return by how much the written file misses the budget; below 0 where it keeps it."""
        if self._budget is None:
            return 0.0
        return self._budget.value - self._budget.reached(self._judged.scores)

    def _missed(self) -> str:
        assert self._budget is not None
        scores = self._judged.scores
        reached, worst = self._budget.reached(scores), self._budget.held_by(scores)
        floats = self._made.float_layers
        return (
            f"the budget {self._budget} cannot be met: {self._settings.precision} as "
            f"{self._settings.form} reaches {self._budget.metric} {reached:.4g} on the worst "
            f"{worst}{f', with {len(floats)} layers float' if floats else ''}; ask for less, or "
            "take another precision"
        )

    def _time(self) -> Latency:
        return measure_latency(
            self._settings.model,
            self._staging.path(self._names.model),
            self._full.feeds[0],
            self._held_out.feeds[0],
            kernels=self._kernels,
            threads=self._settings.threads,
            progress=self._progress,
        )

    def _facts(self, latency: Latency) -> dict[str, Any]:
        path, names = self._staging.path, self._names
        file = self._file
        model = path(names.model)
        budget = self._budget
        findings = Findings(
            original={"name": file.path.name, "size": file.size, "sha256": file.sha256},
            file={
                "name": model.name,
                "size": sum(
                    path(name).stat().st_size for name in names.parts() if path(name).exists()
                ),
                "sha256": digest_of([path(name) for name in names.parts()]),
            },
            side_files=tuple(name for name in names.sides() if path(name).exists()),
            card_note=self._card_note,
            memory_before=self._memory_before,
            peak_memory=peak_bytes(),
            seconds=time.monotonic() - self._start,
            saturation=None
            if self._saturation is None
            else {**asdict(self._saturation), "text": self._saturation.text},
            static=self._static,
            notes=self._written_notes,
            emap_sha256=digest_of([path(names.emap)]) if path(names.emap).exists() else None,
            budget=None
            if budget is None
            else {
                "asked": str(budget),
                "reached": budget.reached(self._judged.scores),
                "met": True,
                "trials": len(self._made.found.tried) if self._made.found is not None else 0,
            },
        )
        return document(
            self._settings,
            self._profile,
            self._prepared,
            self._made,
            self._judged,
            latency,
            findings,
        )

    def _publish(self, facts: dict[str, Any]) -> Conversion:
        baked = self._prepared.baked

        def made(path: Path) -> None:
            if baked is not None:
                register_baked(baked, path)

        self._progress("publishing", 0, 1)
        self._staging.publish(
            self._names.model,
            overwrite=self._settings.overwrite,
            whole=self._names.all(),
            private=baked is not None,
            made=made,
        )
        folder, names = self._settings.output, self._names
        return Conversion(
            model=folder / names.model,
            report=folder / names.report,
            side_files=tuple(folder / name for name in facts["side_files"]),
            size=facts["size"],
            ratio=facts["ratio"],
            facts=facts,
            golden=golden_rows(
                self._held_out,
                self._reference,
                self._judged.few,
                self._prepared.contract,
                self._judged.kernels,
            ),
        )
