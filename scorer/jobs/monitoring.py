"""From when a model in production has drifted or is due for training: [monitoring] of job.toml."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from scorer.errors import UserError
from scorer.jobs.toml_table import TomlTable


@dataclass(frozen=True, slots=True)
class Limits:
    """[monitoring]: the limits from which on a model in production needs attention.

    Drift: the population stability index of the scores, or of at least `features_share` of the features (and at least one), reaches `psi`
    in the last `window`. It is computed from `min_entities` or more, since the hours of one entity are alike and a few entities always
    give a large index.
    Performance: in the last `outcomes_window` the AUROC is below the lower end of the cross-validated interval, by at least
    `performance_loss` and by more than chance.
    Constant score: `constant_share` of the newest scores, one per entity, are the same value.
    New observation type: `new_code_rows` rows in the last `window`. Unit: the newest values of a code, of `unit_entities` entities, of all
    or of those of one category, lie as they would in another unit. Age: `retrain_after` since the training.
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
    unit_entities: int = 20
    retrain_after: timedelta = timedelta(days=91)

    @classmethod
    def read(cls, table: TomlTable) -> Limits:
        """Read [monitoring]; what it leaves out has its default.

        Raises UserError where a limit makes no sense.
        """
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
            unit_entities=table.positive("unit_entities", default=usual.unit_entities),
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
