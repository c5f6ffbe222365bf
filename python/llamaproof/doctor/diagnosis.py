"""Everything the doctor looks at, in order, and what it comes to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaproof import shadow
from llamaproof.doctor import where_attention_runs
from llamaproof.doctor.findings import OUTCOMES, DoctorFinding, fine, note, stops, unclear
from llamaproof.doctor.gpu import Driver, Gpu, ask_driver, examine_driver
from llamaproof.doctor.loading import examine_probe, probe, probe_on_shadow, read_cpu_flags
from llamaproof.doctor.package import Host, cuda_backend, examine_code, examine_package, linked_cuda
from llamaproof.doctor.where_attention_runs import FamiliarResult
from llamaproof.errors import LlamaproofError
from llamaproof.ggml import GgmlType
from llamaproof.gguf.attention import ModelAttention, attention_of
from llamaproof.gguf.header import Header, read_header
from llamaproof.model_run.header_report import HeaderReport, examine_header
from llamaproof.model_run.report import ModelReport
from llamaproof.reports.outcome import Outcome, worst
from llamaproof.target import Target

INSTALLED = "installed"

# What keeps a package from loading here and is no fault of its files.
LACKING = frozenset({"no-driver", "no-cuda-library", "no-library", "no-dependency"})


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        gpu: the GPU the answer is for.
        is_shadow: it is played by the shadow runtime, as there is none here.
        report: of the model, where one was given and run.
        header: the same, where only its header was there.
        familiar: of familiar models, where none was given.
    """

    target: str
    version: str
    gpu: str
    is_shadow: bool
    findings: tuple[DoctorFinding, ...]
    report: ModelReport | None
    header: HeaderReport | None
    familiar: tuple[FamiliarResult, ...]

    @property
    def outcome(self) -> Outcome:
        return worst((Outcome.HOLDS, *(OUTCOMES[finding.level] for finding in self.findings)))

    @property
    def verdict(self) -> str:
        """In one sentence."""
        on = f"on {self.gpu}" + (" (played: there is no GPU here)" if self.is_shadow else "")
        for level in ("stops", "unclear"):
            first = next((f for f in self.findings if f.level == level), None)
            if first is not None and level == "stops":
                return f"Flash attention will not run {on}: {first.what}."
            if first is not None:
                return f"Whether flash attention runs {on} could not be told: {first.what}."
        return f"Flash attention will run {on}."


def diagnose(
    spec: str,
    target: Target,
    model: Path | None,
    *,
    shadow_gpu: shadow.Gpu,
    environ: Mapping[str, str],
    host: Host,
) -> Diagnosis:
    """Examine a package, this machine, and where attention runs.

    Args:
        spec: what the target was opened with; `installed` is imported whole, as its users do.
        shadow_gpu: the card to play where there is none.
    """
    driver = ask_driver(environ)
    real = driver.gpus[0] if driver.gpus else None
    findings = examine_package(target, host, environ)
    findings += examine_driver(driver, linked_cuda(target), environ)
    findings += _code(target, real, driver, shadow_gpu)
    if _goes_on(findings, ()):
        findings += _load(spec, target, driver, shadow_gpu, environ)
    case = _Case(
        spec=spec, target=target, model=model, real=real, shadow_gpu=shadow_gpu, environ=environ
    )
    # What this environment lacks says nothing about a GPU that is played.
    if _goes_on(findings, () if real else LACKING):
        case.examine()
    return Diagnosis(
        target=target.name,
        version=target.version or "of no stated version",
        gpu=real.name if real else shadow_gpu.name,
        is_shadow=real is None,
        findings=(*findings, *case.findings),
        report=case.report,
        header=case.header,
        familiar=case.familiar,
    )


class _Case:
    """The question of where attention runs, once the package can be loaded."""

    def __init__(
        self,
        *,
        spec: str,
        target: Target,
        model: Path | None,
        real: Gpu | None,
        shadow_gpu: shadow.Gpu,
        environ: Mapping[str, str],
    ) -> None:
        self._spec = spec
        self._target = target
        self._model = model
        self._real = real
        self._shadow_gpu = shadow_gpu
        self._environ = environ
        self.findings: list[DoctorFinding] = []
        self.report: ModelReport | None = None
        self.header: HeaderReport | None = None
        self.familiar: tuple[FamiliarResult, ...] = ()

    def examine(self) -> None:
        try:
            self._examine()
        except LlamaproofError as error:
            self.findings.append(unclear("not-examined", error.what, error.hint))

    def _examine(self) -> None:
        if self._model is None:
            self._ask_for_familiar_models()
            return
        header = read_header(self._model)
        model = attention_of(header)
        if header.truncated:
            self.findings.append(note("truncated", f"{header.truncated}: its header answers"))
            self._ask_by_header(header, model)
            return
        gpu = self._real or self._shadow_gpu
        self.report = where_attention_runs.run_on_gpu(
            self._target, self._model, model, gpu, self._environ
        )
        self.findings.append(where_attention_runs.examine_report(self.report))

    def _ask_by_header(self, header: Header, model: ModelAttention) -> None:
        report = examine_header(
            self._spec,
            header,
            model,
            [self._card()],
            type_k=GgmlType.F16,
            type_v=GgmlType.F16,
        )
        self.header = report
        if report.outcome is Outcome.HOLDS:
            self.findings.append(fine("attention", "every layer's attention has a kernel"))
            return
        words = where_attention_runs.shape_in_words(model.layers)
        self.findings.append(
            stops(
                "falls-back",
                f"the GPU refuses this model's attention ({words})",
                where_attention_runs.remedy_for(model.layers),
            )
        )

    def _ask_for_familiar_models(self) -> None:
        self.familiar = where_attention_runs.try_familiar(self._spec, self._card())
        bad = [result for result in self.familiar if result.failures]
        if len(bad) == len(self.familiar):
            what = "the GPU refuses the attention of every familiar model"
            self.findings.append(stops("falls-back", what, "install a wheel built for this GPU"))
        elif bad:
            names = ", ".join(f"{r.model.name} ({r.model.shape})" for r in bad)
            self.findings.append(
                note(
                    "some-fall-back",
                    f"it depends on the model: attention stays off the GPU with {names}",
                    "ask about yours: llamaproof doctor MODEL.gguf",
                )
            )
        else:
            self.findings.append(fine("attention", "every familiar model's attention has a kernel"))

    def _card(self) -> shadow.Gpu:
        """The card to play: the table's card of the real GPU's sm, if there is a real one."""
        if self._real is None:
            return self._shadow_gpu
        return shadow.gpu_of_sm(self._real.sm)


def _code(
    target: Target, real: Gpu | None, driver: Driver, played: shadow.Gpu
) -> list[DoctorFinding]:
    backend = cuda_backend(target)
    if backend is None:
        return []
    gpu: Gpu | shadow.Gpu = real or played
    return [examine_code(backend, gpu.sm, gpu.name, driver.cuda_version if real else None)]


def _goes_on(findings: Sequence[DoctorFinding], whatever: Collection[str]) -> bool:
    """Whether nothing stops, or only what is of these codes."""
    return all(f.level != "stops" or f.code in whatever for f in findings)


def _load(
    spec: str,
    target: Target,
    driver: Driver,
    shadow_gpu: shadow.Gpu,
    environ: Mapping[str, str],
) -> list[DoctorFinding]:
    if target.package is None:
        return [unclear("no-bindings", "there are only libraries, no Python bindings", "")]
    if target.kind == "wheel":
        # A wheel that is not installed has none of its dependencies beside it.
        loaded = probe_on_shadow(target, shadow_gpu, environ)
        return examine_probe(loaded, read_cpu_flags())
    loaded = probe(target.package, environ, whole=spec == INSTALLED)
    found = examine_probe(loaded, read_cpu_flags())
    if not driver.gpus:
        return [_softened(finding) for finding in found]
    if not loaded.failure and not loaded.gpus:
        said = (line for line in loaded.printed if "cuda" in line.lower())
        found.append(
            stops(
                "gpu-not-seen",
                f"the driver sees a GPU, and llama.cpp does not: {next(said, 'no reason given')}",
                "see that the driver is at least as new as the CUDA of the package",
            )
        )
    return found


def _softened(finding: DoctorFinding) -> DoctorFinding:
    """Without a GPU a package may need a driver that is not there: it is said, not held against."""
    if finding.code != "no-driver":
        return finding
    return note(finding.code, finding.what, finding.remedy)
