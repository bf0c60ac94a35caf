"""An engine whose proposals come from Optuna's samplers, to compare with and for those who prefer them.

Optuna sees a study asked define-by-run: the decisions that express, in the space's order, with the samplers' defaults.
A study alone isn't resumable: its samplers draw from running generators and keep state. So each proposal gets a sampler
of its own, seeded by (seed, candidate number, try), and proposals are made on trials that fail afterwards, which no
sampler looks at; what the study remembers are the candidates, in the order of their asks, and what became of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gasearch.evolution.breeder import Offspring, Violation
from gasearch.evolution.engine import Candidate, Prediction, Scored
from gasearch.evolution.evolver import Evolver
from gasearch.evolution.individual import Individual
from gasearch.evolution.rng import derive, pick
from gasearch.evolution.selection import select_survivors
from gasearch.evolution.toolbox import make_toolbox
from gasearch.space.decisions import Genes, Space
from gasearch.space.genome import Genome, make_genome

if TYPE_CHECKING:  # Optuna takes most of a second to import
    import optuna

#: Proposals in a row that are known or break a limit, before a sample takes their place; one of "gp" takes a second.
TRIES: dict[str, int] = {"tpe": 50, "nsga2": 50, "gp": 5}


class OptunaEngine(Evolver):
    """An `Engine` around Optuna's tree-structured Parzen estimator, NSGA-II or Gaussian process.

    What it proposes depends on the order of asks and tells. Proposals that a candidate had before, or that arithmetic
    refuses, stand as running trials while others are sought, which keeps "tpe" and "gp" away from them.
    """

    def __init__(
        self,
        space: Space,
        *,
        sampler: str,
        seed: int,
        population: int,
        objectives: int,
        is_limited: bool = False,
        violation: Violation = lambda genome: 0.0,
        known: Sequence[Genome] = (),
    ) -> None:
        """An engine before its first candidate.

        Args:
            space: what may be proposed.
            sampler: of Optuna: "tpe", "nsga2" or "gp".
            seed: of every random draw.
            population: candidates per generation, at least 2.
            objectives: number of values in each fitness.
            is_limited: whether a fitness may have a violation, which Optuna then sees as its one constraint.
            violation: of the limits that arithmetic can decide; a genome above 0 is never proposed.
            known: networks to begin with, proposed first; those that break a limit or repeat are left out.

        Raises:
            ValueError: for a population below 2, or another sampler.
        """
        if sampler not in TRIES:
            raise ValueError(f"sampler must be one of {', '.join(TRIES)}; got {sampler!r}")
        super().__init__(
            space,
            seed=seed,
            population=population,
            toolbox=make_toolbox(space, "random"),
            violation=violation,
            known=known,
            adapt=False,
        )
        self._space, self._sampler_name, self._seed, self._is_limited = space, sampler, seed, is_limited
        with _quietly():
            self.study = _create_study(objectives)  #: What Optuna knows.
        self._trials: dict[int, optuna.Trial] = {}  # of pending candidates

    def _survivors(self) -> Sequence[Individual]:
        """The best of all outcomes, by rank and crowding."""
        return select_survivors([self._individual(number) for number in self._fitnesses], self._size)

    def _take_note(self, scored: Scored) -> None:
        """Let Optuna see an outcome; a further one of the same candidate as one more trial."""
        self._completed += 1
        trial = self._trials.pop(scored.number, None) or self._run_trial(self._candidates[scored.number].genome)
        with _quietly():
            self._finish(trial, scored)
        if scored.fitness is not None:
            self._fitnesses[scored.number] = scored.fitness

    # --- proposals ----------------------------------------------------------------------------------------------

    def _propose(self, number: int) -> tuple[Offspring | None, tuple[Prediction, ...]]:
        return self._breeder.next_known() or self._ask_sampler(number) or self._breeder.breed(number, ()), ()

    def _ask_sampler(self, number: int) -> Offspring | None:
        """What the sampler proposes; None where it proposes nothing that is new and admissible."""
        import optuna

        tried: list[optuna.Trial] = []
        found: Offspring | None = None
        with _quietly():
            while found is None and len(tried) < TRIES[self._sampler_name]:
                self.study.sampler = self._make_sampler(number, len(tried))
                trial = self.study.ask()
                tried.append(trial)
                genome = make_genome(_decide(trial, self._space), self._space)
                if self._breeder.is_admissible(genome):
                    found = Offspring(genome, (), f"optuna:{self._sampler_name}")
            for trial in tried:
                self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return found

    def _make_sampler(self, number: int, tries: int) -> optuna.samplers.BaseSampler:
        import optuna

        seed = pick(derive(self._seed, number, f"optuna/{tries}"), 2**32 - 1)
        match self._sampler_name:
            case "tpe":
                return optuna.samplers.TPESampler(seed=seed)
            case "nsga2":
                return optuna.samplers.NSGAIISampler(seed=seed, population_size=self._size)
            case _:
                return optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)

    # --- the study ----------------------------------------------------------------------------------------------

    def _take(self, candidate: Candidate) -> None:
        super()._take(candidate)
        self._trials[candidate.number] = self._run_trial(candidate.genome)

    def _run_trial(self, genome: Genome) -> optuna.Trial:
        """A running trial with these genes and nothing else, but for the generation in which NSGA-II counts it."""
        conditioned = self._space.conditioned(genome.genes)
        with _quietly():
            self.study.sampler = _given(
                {decision.name: gene for decision, gene in zip(self._space.decisions, conditioned, strict=True)}
            )
            trial = self.study.ask()
            _decide(trial, self._space)
            if self._sampler_name == "nsga2":
                self._count_generation(trial)
        return trial

    def _count_generation(self, trial: optuna.Trial) -> None:
        """Let NSGA-II note the trial's generation, and the parents of that, both of which it looks up later."""
        import optuna

        sampler = optuna.samplers.NSGAIISampler(population_size=self._size)
        frozen = self.study.get_trials(deepcopy=False)[trial.number]
        sampler.get_parent_population(self.study, sampler.get_trial_generation(self.study, frozen))

    def _finish(self, trial: optuna.Trial, scored: Scored) -> None:
        import optuna

        if scored.fitness is None:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return
        if self._is_limited:
            trial.set_constraint("violation", scored.fitness.violation)
        self.study.tell(trial, list(scored.fitness.values))


def _decide(trial: optuna.Trial, space: Space) -> Genes:
    """Genes by asking the trial for each decision that expresses, in order; not where there is a single option.

    It is asked for an index among the options: an integer where they are ordinal, a category otherwise.
    """
    marked: list[int] = []
    for decision, size, is_ordinal, needs in zip(space.decisions, space.sizes, space.ordinal, space.needs, strict=True):
        if not all(marked[earlier] in options for earlier, options in needs):
            marked.append(-1)
        elif size == 1:
            marked.append(0)
        elif is_ordinal:
            marked.append(trial.suggest_int(decision.name, 0, size - 1))
        else:
            marked.append(trial.suggest_categorical(decision.name, range(size)))
    return tuple(max(gene, 0) for gene in marked)


def _create_study(objectives: int) -> optuna.Study:
    import optuna

    return optuna.create_study(directions=["maximize"] * objectives, sampler=_given({}))


def _given(values: dict[str, int]) -> optuna.samplers.BaseSampler:
    """A sampler that gives each parameter this value."""
    import optuna

    return optuna.samplers.PartialFixedSampler(values, optuna.samplers.RandomSampler(seed=0))


@contextmanager
def _quietly() -> Iterator[None]:
    """Without Optuna's log lines and its warnings about what is experimental."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
