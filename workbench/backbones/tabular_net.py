"""The network for tables: column embeddings and an ensemble of residual MLPs in one.

After Gorishniy, Kotelnikov and Babenko 2025, "TabM: Advancing Tabular Deep Learning with
Parameter-Efficient Ensembling": each member is trained on its own loss, the prediction is
the mean of the members' logits or values. There is no normalisation layer and the
activation is SiLU: the logits are a smooth function of the embedded columns, which
integrated gradients need.

Statistics of the training data (means, bins, category frequencies, the target's mean and
scale) are buffers: the saved model and its exported graph take and give raw units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from workbench.backbones.tabular_config import (
    TabularNetConfig,
    Task,
    check_training_data,
    output_settings,
    recommended,
)
from workbench.backbones.tabular_layers import ColumnEmbedding, EnsembleLinear, Head, ResidualBlock
from workbench.errors import DataError

__all__ = ["TabularNet", "TabularNetConfig", "TabularNetOutput", "recommended"]

_MOST_BINS = 128
_MOST_ONE_HOT = 1024


@dataclass
class TabularNetOutput(ModelOutput):
    """What a forward pass gives: `logits` (n, K) or (n, 1), `loss` where labels were given."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    members: Tensor | None = None


class TabularNet(PreTrainedModel):  # type: ignore[no-untyped-call]
    """A classifier or regressor on raw columns, in transformers' layout.

    Inputs: `numeric` (n, F_num) float32 in each column's unit, NaN where missing;
    `categorical` (n, F_cat) int64 codes, 0 where missing or unseen. Either may have no
    columns, not both.
    """

    config_class = TabularNetConfig
    base_model_prefix = "tabular_net"
    main_input_name = "numeric"
    config: TabularNetConfig
    target_mean: Tensor
    target_scale: Tensor
    positions: Tensor

    def __init__(self, config: TabularNetConfig) -> None:
        super().__init__(config)
        columns, linear = config.numeric_columns + len(config.cardinalities), config.blocks == 0
        d, width, members = config.embedding_width, config.width, 1 if linear else config.members
        self.columns = ColumnEmbedding(
            config.numeric_columns,
            list(config.cardinalities),
            bins=config.bins,
            width=d,
            clip=config.clip,
            identity=linear,
        )
        self.register_buffer("target_mean", torch.zeros(1))
        self.register_buffer("target_scale", torch.ones(1))
        self.register_buffer("positions", torch.zeros(config.linear_features, dtype=torch.int64))
        if not linear:
            self.first = EnsembleLinear(d, width, members, columns=columns)
            self.blocks = nn.ModuleList(ResidualBlock(width, members, config.dropout) for _ in range(config.blocks))
        inputs = config.linear_features if linear else width
        self.head = Head(inputs, int(config.num_labels or 0), members, linear=linear)
        self.post_init()  # type: ignore[no-untyped-call]

    @property
    def regression(self) -> bool:
        """Whether the model predicts a value and not classes."""
        return self.config.problem_type == "regression"

    def _init_weights(self, module: nn.Module) -> None:
        # Every module initialises itself on construction; transformers' own rule would
        # overwrite that with its default of 0.02.
        return

    @classmethod
    def for_data(
        cls,
        numeric: np.ndarray,
        cardinalities: Sequence[int],
        targets: np.ndarray,
        *,
        task: Task,
        classes: Sequence[str] = (),
        categorical: np.ndarray | None = None,
        width: int = 0,
        blocks: int = 0,
        dropout: float | None = None,
        seed: int = 0,
    ) -> TabularNet:
        """Return an untrained network whose statistics and sizes come from training data.

        Args:
            numeric: (n, F_num) raw values, NaN where missing; (n, 0) without numeric columns.
            cardinalities: categories of each categorical column.
            targets: (n,) class indices, or values in the target's unit; (n, K) 0 or 1 (multi-label).
            task: "classification", "multilabel" or "regression".
            classes: class names in the order of the index; unused for regression.
            categorical: (n, F_cat) codes; None counts every category as equally frequent.
            width: hidden units; 0: `recommended`.
            blocks: residual blocks; 0: `recommended`.
            dropout: None: `recommended`.
            seed: of the initial weights. The global generator is left as it was.

        Raises:
            DataError: rows, codes, targets or classes do not fit together.
        """
        names = None if task == "regression" else classes
        check_training_data(numeric, cardinalities, targets, names, categorical, multilabel=task == "multilabel")
        rows, columns = len(numeric), numeric.shape[1] + len(cardinalities)
        sizes = recommended(rows, columns, task)
        config = TabularNetConfig(
            numeric_columns=numeric.shape[1],
            cardinalities=[int(k) for k in cardinalities],
            # As many bins as the square root of the rows can fill, fewer where columns are many.
            bins=min(max(round(math.sqrt(rows)), 8), _MOST_BINS, max(16_384 // columns, 8)),
            width=width or sizes["width"],
            blocks=blocks or sizes["blocks"],
            dropout=sizes["dropout"] if dropout is None else dropout,
            **output_settings(task, classes),
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = cls(config)
        model.columns.fit(numeric, categorical)
        return model._fit_target(targets)

    @classmethod
    def linear_for_data(
        cls,
        numeric: np.ndarray,
        cardinalities: Sequence[int],
        targets: np.ndarray,
        *,
        task: Task,
        classes: Sequence[str] = (),
        categorical: np.ndarray | None = None,
        bins: int = 0,
        seed: int = 0,
    ) -> TabularNet:
        """Return a linear model on the encoded columns, its head at zero: fit it with `set_head`.

        The encoding is the standardised value and a missing indicator of numeric columns and
        one-hot categories (a random projection of them above 1,023); with `bins`, also a
        piecewise-linear encoding, which makes it an additive model. Arguments and errors are
        those of `for_data`.
        """
        names = None if task == "regression" else classes
        check_training_data(numeric, cardinalities, targets, names, categorical, multilabel=task == "multilabel")
        width = max(bins + 2, min(max(cardinalities, default=0) + 1, _MOST_ONE_HOT))
        numeric_columns, counts = numeric.shape[1], [int(k) for k in cardinalities]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            columns = ColumnEmbedding(numeric_columns, counts, bins=bins, width=width, clip=0.0, identity=True)
            columns.fit(numeric, categorical)
            positions = columns.used_positions(numeric, categorical)
            config = TabularNetConfig(
                numeric_columns=numeric_columns,
                cardinalities=counts,
                bins=bins,
                embedding_width=width,
                blocks=0,
                members=1,
                clip=0.0,
                linear_features=len(positions),
                **output_settings(task, classes),
            )
            model = cls(config)
        model.columns.load_state_dict(columns.state_dict())
        model.positions.copy_(positions)
        return model._fit_target(targets)

    def _fit_target(self, targets: np.ndarray) -> TabularNet:
        if self.regression:
            values = np.asarray(targets, dtype=np.float64)
            self.target_mean.fill_(float(values.mean()))
            self.target_scale.fill_(float(values.std()) or 1.0)
        self.eval()  # type: ignore[no-untyped-call]
        return self

    def embed(self, numeric: Tensor | None, categorical: Tensor | None) -> Tensor:
        """Return the (n, F_num + F_cat, d) embedded columns; zero is "nothing known"."""
        return cast(Tensor, self.columns(numeric, categorical))

    def _hidden(self, embedded: Tensor) -> Tensor:
        flat = embedded.flatten(1)
        if self.config.blocks == 0:
            return flat[:, None, self.positions]
        h = self.first(flat[:, None, :])
        for block in self.blocks:
            h = block(h)
        return nn.functional.silu(h)

    def features(self, numeric: Tensor | None, categorical: Tensor | None) -> Tensor:
        """Return the (n, P) inputs of the last linear layer, the members' side by side."""
        return self._hidden(self.embed(numeric, categorical)).flatten(1)

    def _members(self, embedded: Tensor) -> Tensor:
        return cast(Tensor, self.head(self._hidden(embedded)))

    def _in_unit(self, members: Tensor) -> Tensor:
        mean = members.mean(1)
        return mean * self.target_scale + self.target_mean if self.regression else mean

    def from_embedded(self, embedded: Tensor) -> Tensor:
        """Return (n, K) logits, or (n, 1) values in the target's unit, of embedded columns."""
        return self._in_unit(self._members(embedded))

    def forward(
        self, numeric: Tensor | None = None, categorical: Tensor | None = None, labels: Tensor | None = None
    ) -> TabularNetOutput:
        """Return logits or values and, where labels are given, the training loss.

        Args:
            numeric: (n, F_num) raw values, NaN where missing; None without numeric columns.
            categorical: (n, F_cat) codes, 0 where missing or unseen; None without such columns.
            labels: (n,) class indices, (n, K) 0 or 1 (multi-label), or values in the target's unit.

        Returns:
            `logits` (n, K) or (n, 1). `loss` is the mean over rows and members of each
            member's (binary) cross-entropy, or of its squared error on the standardised target.
            `members` (n, E, K), while training, is what each member says on its own: each
            is to be trained on its own, or the ensemble is one network.
        """
        members = self._members(self.embed(numeric, categorical))
        loss = None
        if labels is not None and self.regression:
            standardised = (labels.reshape(-1, 1, 1).to(members.dtype) - self.target_mean) / self.target_scale
            loss = (members - standardised).square().mean()
        elif labels is not None and self.config.problem_type == "multi_label_classification":
            each = labels.to(members.dtype)[:, None, :].expand_as(members)
            loss = nn.functional.binary_cross_entropy_with_logits(members, each)
        elif labels is not None:
            loss = nn.functional.cross_entropy(members.flatten(0, 1), labels.repeat_interleave(members.shape[1]))
        apart = None
        if self.training:
            apart = members * self.target_scale + self.target_mean if self.regression else members
        return TabularNetOutput(loss=loss, logits=self._in_unit(members), members=apart)

    @torch.no_grad()
    def set_head(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """Set the last layer, so that logits (or values) = features W^T + b.

        Args:
            weight: (K, P), or (1, P) for regression, in the target's unit. For two classes
                (1, P) is the log odds of the second, as scikit-learn's `coef_` gives them;
                they are shared out as -1/2 and +1/2 of them, so both classes' logits can be
                explained.
            bias: (K,) or (1,).

        Raises:
            DataError: the shapes do not fit the model.
        """
        w, b = torch.as_tensor(np.asarray(weight)).double(), torch.as_tensor(np.asarray(bias)).double().reshape(-1)
        if self.config.num_labels == 2 and len(w) == 1:
            w, b = torch.cat([-w, w]) / 2, torch.cat([-b, b]) / 2
        members, inputs, outputs = self.head.weight.shape
        if tuple(w.shape) != (outputs, members * inputs) or len(b) != outputs:
            given = f"weight {tuple(np.shape(weight))} and bias {tuple(np.shape(bias))}"
            raise DataError(f"{given} do not fit a head of {outputs} outputs and {members * inputs} features")
        if self.regression:
            scale = self.target_scale.double()
            w, b = w / scale, (b - self.target_mean.double()) / scale
        self.head.weight.copy_(w.reshape(outputs, members, inputs).permute(1, 2, 0) * members)
        self.head.bias.copy_(b.expand(members, outputs))
