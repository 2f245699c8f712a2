"""When a job's model in production has moved too far from what it was trained on, or has become too old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from scorer.errors import UserError
from scorer.jobs.toml_table import TomlTable


@dataclass(frozen=True, slots=True)
class Limits:
    """[monitoring]: from when on a model in production has drifted, foretells worse, says always the same, or is due for training.

    Drift and new observation types are looked for in the last `window`, live figures in the last `outcomes_window`. Drift is told of
    `min_entities` at least: an entity's hours are alike, so that every index of a few entities' many hours would be large. A model has
    drifted where the population stability index of its scores, or of at least `features_share` of its features (and of one), reaches
    `psi`. It foretells worse where its AUROC lies below the lower end of the cross-validated one's interval, by `performance_loss` at
    least, and by more than chance. `constant_share` of the newest scores, one an entity, being one value is a constant score.
    """

    psi: float = 0.25
    features_share: float = 0.01
    window: timedelta = timedelta(days=28)
    min_entities: int = 200
    performance_loss: float = 0.02
    outcomes_window: timedelta = timedelta(days=30)
    min_positives: int = 20
    constant_share: float = 0.9
    new_code_rows: int = 100
    retrain_after: timedelta = timedelta(days=91)

    @classmethod
    def read(cls, table: TomlTable) -> Limits:
        """As job.toml says; the usual ones, where it does not."""
        usual = cls()
        limits = cls(
            psi=table.number("psi", default=usual.psi),
            features_share=table.number("features_share", default=usual.features_share),
            window=_span(table, "window", usual.window),
            min_entities=table.positive("min_entities", default=usual.min_entities),
            performance_loss=table.number("performance_loss", default=usual.performance_loss),
            outcomes_window=_span(table, "outcomes_window", usual.outcomes_window),
            min_positives=table.positive("min_positives", default=usual.min_positives),
            constant_share=table.number("constant_share", default=usual.constant_share),
            new_code_rows=table.positive("new_code_rows", default=usual.new_code_rows),
            retrain_after=_span(table, "retrain_after", usual.retrain_after),
        )
        table.finish()
        for name in ("features_share", "constant_share"):
            if not 0 < getattr(limits, name) <= 1:
                raise UserError(f'{table.where}: "{name}" is a share, above 0 and not above 1.')
        if limits.psi <= 0 or limits.performance_loss < 0:
            raise UserError(f'{table.where}: "psi" must be above 0, and "performance_loss" not below it.')
        return limits


def _span(table: TomlTable, key: str, usual: timedelta) -> timedelta:
    return table.span(key, default=f"{usual.days} days")
