"""What a fit was given, chose and measured, as `metrics.json` of a run keeps it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

Reason = Literal["sure", "stable", "needed", "asked"]
SHOWN = 5
"""Names of inputs that a short text shows."""


@dataclass(frozen=True)
class Table:
    """The table that was given; `rows_dropped` had no target."""

    rows: int
    columns: int
    rows_dropped: int = 0


@dataclass(frozen=True)
class Target:
    """What is predicted: classes with the rows of each, or a quantity with its mean and std."""

    name: str
    task: str
    reason: str = ""
    classes: tuple[str | int | float | bool, ...] | None = None
    counts: tuple[int, ...] | None = None
    mean: float | None = field(default=None, metadata={"with": "mean"})
    std: float | None = field(default=None, metadata={"with": "std"})


@dataclass(frozen=True)
class InputColumn:
    """What was understood of a column, and how many encoded columns it became."""

    name: str
    kind: str
    used: bool
    reason: str
    missing: int
    levels: int
    encoded: int = 0


@dataclass(frozen=True)
class Role:
    """A column that groups, orders or weighs the rows; of groups their number, of weights the sum.

    Attributes:
        column: Its name.
        train, test: Groups among the rows to learn from and of the test.
        total: Weight of the rows to learn from.
    """

    column: str
    train: int | None = field(default=None, metadata={"with": "train"})
    test: int | None = field(default=None, metadata={"with": "test"})
    total: float | None = field(default=None, metadata={"with": "total"})


@dataclass(frozen=True)
class RowSplit:
    """How rows were split and what was trained on them.

    `copies` are test rows learned from; `own_test`: the test rows are a table of their own.
    """

    train: int
    test: int
    folds: int
    seeds: int
    lanes: int
    copies: int = 0
    own_test: bool = False
    groups: Role | None = None
    time: Role | None = None
    weights: Role | None = None


@dataclass(frozen=True)
class Predicting:
    """A setting that predicts, by how many models."""

    penalty: str
    strength: float
    network: str = "full"
    models: int = 0


@dataclass(frozen=True)
class Certificate:
    """The largest distance of a model from a stationary point of its objective.

    Below `limit` it is converged; None in runs of taut 0.3.
    """

    largest: float | None
    note: str
    limit: float | None = None

    @property
    def converged(self) -> bool | None:
        """Whether it is; None where nothing says from where on."""
        if self.limit is None:
            return None
        return self.largest is not None and self.largest < self.limit


@dataclass(frozen=True)
class Choice:
    """The best setting, by which rule, and who predicts.

    Attributes:
        penalty, strength, network: The best setting.
        rule: How it was chosen, in words.
        cv_loss, cv_se: Its mean loss over the folds, and the standard error of that.
        one_se_penalty, one_se_strength: The largest strength within one standard error.
        models: Networks that predict.
        settings: The settings that predict, best first.
        edge: "weakest" or "strongest" where the best strength is the last that was tried.
        zero_share: Of the best's weights, how many an L1 has made exactly 0, on average over folds.
        stationarity: Of one of the best's models.
    """

    penalty: str
    strength: float
    network: str = "full"
    rule: str = ""
    cv_loss: float | None = None
    cv_se: float | None = None
    one_se_penalty: str | None = None
    one_se_strength: float | None = None
    models: int = 1
    settings: tuple[Predicting, ...] = ()
    edge: str | None = None
    zero_share: float | None = None
    stationarity: Certificate | None = None

    @property
    def predicting(self) -> tuple[Predicting, ...]:
        """The settings that predict: the best alone in runs of taut 0.1."""
        best = Predicting(self.penalty, self.strength, self.network, self.models)
        return self.settings or (best,)


@dataclass(frozen=True)
class Carrier:
    """An input that carries nearly everything: its share, and what it explains by itself."""

    input: str
    share: float
    explained: float


@dataclass(frozen=True)
class Learned:
    """The out-of-fold loss against that of looking at no input; None where it is not known."""

    loss: float | None = None
    base_loss: float | None = None
    gain: float | None = None
    se: float | None = None
    anything: bool | None = None
    carriers: tuple[Carrier, ...] = ()


@dataclass(frozen=True)
class Score:
    """A score, its interval, and why there is none where it is withheld."""

    value: float | None
    low: float | None = None
    high: float | None = None
    withheld: str | None = field(default=None, metadata={"with": "withheld"})


@dataclass(frozen=True)
class System:
    """What was scored on the test rows, and its score by each metric."""

    name: str
    description: str = ""
    scores: dict[str, Score] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """The first system's score minus another's, on the same rows."""

    versus: str
    metric: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    withheld: str | None = field(default=None, metadata={"with": "withheld"})


@dataclass(frozen=True)
class ClassScore:
    """A class: its test rows, the rows taken for it, and the rows that are both."""

    label: str | int | float | bool = field(metadata={"key": "class"})
    rows: int
    named: int
    recognised: int
    recall: Score
    precision: Score


@dataclass(frozen=True)
class Test:
    """The systems on the test rows.

    Attributes:
        metrics: Names of the scores.
        primary: The one that choices are judged by.
        base: The system that looks at no input.
        confidence: Of the intervals.
        method: How the intervals were found, in words.
        systems: The first is taut.
        differences: Of taut to each other system.
        rare: A class so rare that accuracy says little.
        classes: By class; None for a regression.
    """

    __test__ = False  # to pytest it is none

    metrics: tuple[str, ...] = ()
    primary: str | None = None
    base: str | None = None
    confidence: float = 0.95
    method: str = ""
    systems: tuple[System, ...] = ()
    differences: tuple[Difference, ...] = ()
    rare: str | int | float | bool | None = field(default=None, metadata={"with": "classes"})
    classes: tuple[ClassScore, ...] | None = field(default=None, metadata={"with": "classes"})


@dataclass(frozen=True)
class Overfitting:
    """Losses on the rows learned from and on the test rows, with the penalty and without."""

    train_loss: float | None = None
    test_loss: float | None = None
    unpenalised_train_loss: float | None = None
    unpenalised_test_loss: float | None = None


@dataclass(frozen=True)
class Kept:
    """How many of the inputs the sparsest good models read."""

    kept: int
    of: int


@dataclass(frozen=True)
class SelectedInput:
    """What was measured of one input when inputs were selected.

    Attributes:
        input: Its name.
        rank: Its place in the order of the inputs, from 1.
        kept: Whether the sparse network reads it.
        reason: Why it is kept: `"sure"` where what it alone tells is clear, else `"stable"` where
            four fifths of the half-samples have it among their first, else `"needed"` where the
            prediction asks for it together with others, or `"asked"` where a number was given.
        frequency: Share of the half-samples that had it among their first, as many as are kept.
        ahead: Share of half-samples, with a shuffled copy of every input, that put it before all
            of these; None where nothing is selected.
        rise: How much the out-of-fold loss rises without what it alone tells; 0 where it was not
            among the inputs that were asked.
        se: The standard error of that.
    """

    input: str
    rank: int
    kept: bool
    reason: Reason | None = None
    frequency: float | None = None
    ahead: float | None = None
    rise: float | None = None
    se: float | None = None


@dataclass(frozen=True)
class InputNumber:
    """Networks on the first so many inputs: their out-of-fold loss, and how much worse it is than
    the best number's, with its standard error."""

    inputs: int
    loss: float | None
    worse: float | None
    se: float | None


@dataclass(frozen=True, repr=False)
class Selection:
    """The inputs that the sparse network reads, and what reading no others costs.

    Attributes:
        rule: How they were selected, in words.
        inputs: Every input, in the order of selection.
        numbers: Losses by the number of inputs.
        best: The number of least loss; 0 where looking at no input is as good.
        asked: How many inputs the user asked for.
        halves: Half-samples that the frequencies are of.
        expected_false: A bound on how many of the kept inputs are there by chance; None where
            none holds.
        price: The sparse network's score minus that of the network on all inputs, on the test
            rows; None without a sparse network or a test.
    """

    rule: str
    inputs: tuple[SelectedInput, ...]
    numbers: tuple[InputNumber, ...]
    best: int
    asked: int | None = None
    halves: int = 0
    expected_false: float | None = None
    price: Difference | None = None

    @property
    def kept(self) -> tuple[str, ...]:
        """The names of the inputs that the sparse network reads."""
        return tuple(item.input for item in self.inputs if item.kept)

    def to_frame(self) -> pd.DataFrame:
        """A row for each input, in the order of selection, with what was measured of it."""
        import pandas as pd

        return pd.DataFrame([asdict(item) for item in self.inputs])

    def __repr__(self) -> str:
        kept, names = len(self.kept), ", ".join(self.kept[:SHOWN])
        names += ", …" if kept > SHOWN else ""
        return f"Selection({kept} of {len(self.inputs)} inputs{': ' if kept else ''}{names})"

    def _repr_html_(self) -> str:
        from html import escape

        table = self.to_frame().to_html(index=False, border=0, float_format="%.3g", na_rep="")
        return f"<p><b>{escape(repr(self))}</b></p>{table}"


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """What is in `metrics.json`: what was understood, chosen and measured."""

    taut_version: str | None = None
    created: str | None = None
    table: Table
    target: Target
    columns: tuple[InputColumn, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    split: RowSplit
    choice: Choice
    learned: Learned | None = None
    test: Test | None
    overfitting: Overfitting | None = None
    features: Kept
    selection: Selection | None = None
    seconds: float | None = None
    command: str | None = None

    @property
    def sparse_inputs(self) -> tuple[str, ...]:
        """What the sparse network reads; nothing where there is none."""
        return self.selection.kept if self.selection else ()

    @property
    def tested(self) -> Test:
        """The same as `test`, without systems where no rows were scored."""
        return self.test or Test()
