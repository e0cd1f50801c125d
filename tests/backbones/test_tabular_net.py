from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from workbench.backbones.export import quiet
from workbench.backbones.tabular_layers import bin_edges
from workbench.backbones.tabular_net import TabularNet, recommended
from workbench.errors import DataError

CARDINALITIES = [3, 5]
ROWS = 200


def table(rows: int = ROWS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four numeric columns of very different units with 10 % missing, two categorical ones."""
    rng = np.random.default_rng(seed)
    numeric = rng.normal(size=(rows, 4)) * [1e-3, 1.0, 50.0, 1e5] + [0.0, 1.0, -20.0, 3e5]
    numeric[rng.random(numeric.shape) < 0.1] = np.nan
    categorical = np.stack([rng.integers(0, k + 1, rows) for k in CARDINALITIES], axis=1)
    return numeric.astype(np.float32), categorical


def build(task: str = "classification", *, linear: bool = False, **overrides: Any) -> TabularNet:
    numeric, categorical = table()
    score = np.nan_to_num(numeric[:, 1]) + categorical[:, 0]
    targets = (score > 2).astype(np.int64) if task == "classification" else 1e4 * score + 2e5
    arguments = {"task": task, "classes": ("no", "yes"), "categorical": categorical, "seed": 3} | overrides
    make = TabularNet.linear_for_data if linear else TabularNet.for_data
    model = make(numeric, CARDINALITIES, targets, **arguments)
    if linear:
        rng = np.random.default_rng(1)
        features = model.config.linear_features
        model.set_head(rng.normal(size=(model.config.num_labels, features)), rng.normal(size=model.config.num_labels))
    return model


def tensors(numeric: np.ndarray, categorical: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(numeric, dtype=torch.float32), torch.tensor(categorical, dtype=torch.int64)


def logits(model: TabularNet, numeric: np.ndarray, categorical: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(*tensors(numeric, categorical)).logits.numpy()


def train(model: TabularNet, numeric: np.ndarray, categorical: np.ndarray, targets: np.ndarray, epochs: int) -> None:
    """The shortest honest loop: AdamW with linear decay, no early stopping."""
    torch.manual_seed(0)
    x, c = tensors(numeric, categorical)
    y = torch.tensor(targets)
    steps = epochs * -(-len(y) // 64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=3e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(y)).split(64):
            optimizer.zero_grad()
            model(x[rows], c[rows], labels=y[rows]).loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()


class Exported(torch.nn.Module):
    def __init__(self, model: TabularNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, numeric: torch.Tensor, categorical: torch.Tensor) -> torch.Tensor:
        return self.model(numeric, categorical).logits


def export(model: TabularNet, path: Path, numeric: np.ndarray, categorical: np.ndarray) -> onnxruntime.InferenceSession:
    batch = torch.export.Dim("batch")
    with quiet():
        program = torch.onnx.export(
            Exported(model).eval(),
            tensors(numeric[:5], categorical[:5]),
            dynamo=True,
            opset_version=20,
            input_names=["numeric", "categorical"],
            output_names=["logits"],
            dynamic_shapes={"numeric": {0: batch}, "categorical": {0: batch}},
            verbose=False,
        )
    program.save(path)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def parity(model: TabularNet, session: onnxruntime.InferenceSession, numeric: np.ndarray, codes: np.ndarray) -> float:
    """Largest difference of the two, relative to the largest logit, over several batch sizes."""
    fed = {i.name for i in session.get_inputs()}
    worst = 0.0
    for n in (1, 2, 7, 64):
        expected = logits(model, numeric[:n], codes[:n])
        inputs = {"numeric": numeric[:n], "categorical": codes[:n]}
        given = session.run(None, {name: value for name, value in inputs.items() if name in fed})[0]
        assert given.shape == expected.shape
        worst = max(worst, float(np.abs(given - expected).max() / np.abs(expected).max()))
    return worst


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("linear", [False, True])
def test_saved_model_gives_the_same_bytes(tmp_path: Path, task: str, linear: bool) -> None:
    model, (numeric, categorical) = build(task, linear=linear), table(seed=1)
    model.save_pretrained(tmp_path)
    again = TabularNet.from_pretrained(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert not again.training
    assert logits(model, numeric, categorical).tobytes() == logits(again, numeric, categorical).tobytes()
    assert again.config.id2label == ({0: "no", 1: "yes"} if task == "classification" else {0: "value"})


def test_the_seed_decides_the_weights_and_nothing_else_does() -> None:
    numeric, categorical = table()
    torch.manual_seed(11)
    first = logits(build(), numeric, categorical)
    after = torch.rand(1)
    torch.manual_seed(11)
    assert torch.rand(1) == after, "the global generator was moved"
    assert first.tobytes() == logits(build(), numeric, categorical).tobytes()
    assert not np.allclose(first, logits(build(seed=4), numeric, categorical))


@pytest.mark.parametrize("linear", [False, True])
def test_a_column_is_embedded_from_itself_alone(linear: bool) -> None:
    model, (numeric, categorical), (others, codes) = build(linear=linear), table(seed=1), table(seed=2)
    whole = model.embed(*tensors(numeric, categorical))
    assert whole.shape == (ROWS, 6, model.config.embedding_width)
    for column in range(6):
        mixed, mixed_codes = others.copy(), codes.copy()
        if column < 4:
            mixed[:, column] = numeric[:, column]
        else:
            mixed_codes[:, column - 4] = categorical[:, column - 4]
        part = model.embed(*tensors(mixed, mixed_codes))
        torch.testing.assert_close(part[:, column], whole[:, column], rtol=0, atol=0)
        assert not torch.allclose(part, whole)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("linear", [False, True])
def test_forward_is_the_composition_of_its_parts(task: str, linear: bool) -> None:
    model, (numeric, categorical) = build(task, linear=linear), table(seed=1)
    inputs = tensors(numeric, categorical)
    with torch.no_grad():
        torch.testing.assert_close(model.from_embedded(model.embed(*inputs)), model(*inputs).logits, rtol=0, atol=0)
        features = model.features(*inputs).double().numpy()
    # The head is what set_head was given, in the unit of the logits or of the target.
    rng, unit = np.random.default_rng(5), 1e4 if task == "regression" else 1.0
    outputs = model.config.num_labels
    weight, bias = unit * rng.normal(size=(outputs, features.shape[1])), 20 * unit * rng.normal(size=outputs)
    model.set_head(weight, bias)
    np.testing.assert_allclose(logits(model, numeric, categorical), features @ weight.T + bias, atol=1e-4 * unit)


@pytest.mark.parametrize(("task", "linear"), [("regression", False), ("classification", True)])
def test_onnx_takes_raw_rows_of_any_number(tmp_path: Path, task: str, linear: bool) -> None:
    model, (numeric, categorical) = build(task, linear=linear), table(seed=1)
    numeric[0], categorical[0] = np.nan, 0  # a first row of which nothing is known
    numeric[1, 0], numeric[1, 1] = np.inf, -1e30
    categorical[2] = [4, 99]  # codes beyond the categories of training
    if linear:
        numeric[1, 1] = 0.0  # a linear model follows the value without bound
    session = export(model, tmp_path / "model.onnx", numeric, categorical)
    assert session.get_outputs()[0].shape[0] == "batch"
    assert parity(model, session, numeric, categorical) <= 1e-5


@pytest.mark.parametrize("group", ["numeric", "categorical"])
def test_either_group_of_columns_may_be_empty(tmp_path: Path, group: str) -> None:
    numeric, categorical = table()
    targets = categorical[:, 0].astype(np.float32)
    if group == "numeric":
        numeric, cardinalities = numeric[:, :0], CARDINALITIES
    else:
        categorical, cardinalities = categorical[:, :0], []
    model = TabularNet.for_data(numeric, cardinalities, targets, task="regression", categorical=categorical)
    assert np.isfinite(logits(model, numeric, categorical)).all()
    model.save_pretrained(tmp_path)
    again = TabularNet.from_pretrained(tmp_path)
    np.testing.assert_array_equal(logits(again, numeric, categorical), logits(model, numeric, categorical))
    session = export(model, tmp_path / "model.onnx", numeric, categorical)
    assert parity(model, session, numeric, categorical) <= 1e-5


@pytest.mark.parametrize("linear", [False, True])
def test_columns_without_information_do_not_matter(linear: bool) -> None:
    numeric, categorical = table()
    numeric[:, 0], numeric[:, 1] = np.nan, 7.5
    targets = categorical[:, 0].astype(np.float32)
    make = TabularNet.linear_for_data if linear else TabularNet.for_data
    model = make(numeric, CARDINALITIES, targets, task="regression", categorical=categorical)
    if linear:
        model.set_head(np.ones((1, model.config.linear_features)), np.zeros(1))
    before = logits(model, numeric, categorical)
    assert np.isfinite(before).all()
    embedded = model.embed(*tensors(numeric, categorical))
    assert (embedded[:, 1] == 0).all()
    numeric[:, 1] = np.linspace(-1e6, 1e6, ROWS)
    np.testing.assert_array_equal(logits(model, numeric, categorical), before)
    train_gradient = model(*tensors(numeric, categorical), labels=torch.tensor(targets)).loss
    train_gradient.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_zero_is_the_average_of_what_is_known() -> None:
    numeric, categorical = table()
    model = build()
    embedded = model.embed(*tensors(numeric, categorical)).detach().numpy()
    for f in range(4):
        known = np.isfinite(numeric[:, f])
        np.testing.assert_allclose(embedded[known, f].mean(0), 0, atol=2e-5)
        assert (embedded[~known, f] == 0).all()
    for c in range(2):
        known = categorical[:, c] > 0
        np.testing.assert_allclose(embedded[known, 4 + c].mean(0), 0, atol=2e-5)
        assert (embedded[~known, 4 + c] == 0).all()


def test_piecewise_linear_encoding_is_that_of_the_paper() -> None:
    """Equation 1 of Gorishniy et al. 2022, written as a loop over bins."""
    model = build()
    edges = bin_edges(table()[0][np.isfinite(table()[0][:, 2]), 2], model.config.bins)
    values = np.array([-500.0, -20.0, -3.25, 13.0, 500.0], dtype=np.float32)
    expected = np.zeros((5, len(edges) - 1))
    for i, x in enumerate(values):
        for t in range(len(edges) - 1):
            low, high = edges[t], edges[t + 1]
            expected[i, t] = 0 if x < low else 1 if x >= high else (x - low) / (high - low)
    rows = torch.tensor(np.repeat(values[:, None], 4, axis=1))
    given = model.columns._encode(rows)[:, 2, 1 : len(edges)].numpy()
    np.testing.assert_allclose(given, expected, atol=1e-5)


def test_a_frequent_value_does_not_use_up_the_bins() -> None:
    rng = np.random.default_rng(0)
    values = np.where(rng.random(10_000) < 0.92, 0.0, rng.gamma(2.0, 5000.0, 10_000))
    edges = bin_edges(values, 48)
    assert edges[0] == 0.0 and edges[-1] == values.max()
    assert 45 <= len(edges) <= 49 and (np.diff(edges) > 0).all()
    uniform = rng.random(10_000)  # without ties these are the plain quantiles
    np.testing.assert_allclose(bin_edges(uniform, 4), np.quantile(uniform, [0, 0.25, 0.5, 0.75, 1]), atol=1e-3)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_integrated_gradients_add_up_from_the_embedded_columns(task: str) -> None:
    model, (numeric, categorical) = build(task), table(seed=1)
    train(model, *table(), np.arange(ROWS) % 2 if task == "classification" else 1e5 * np.sin(np.arange(ROWS)), 5)
    point = model.embed(*tensors(numeric[:8], categorical[:8])).detach()
    total = torch.zeros_like(point)
    nodes, weights = np.polynomial.legendre.leggauss(64)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        at = (point * float(node)).requires_grad_()
        (gradient,) = torch.autograd.grad(model.from_embedded(at)[:, -1].sum(), at)
        total += float(weight) * gradient
    with torch.no_grad():
        change = (model.from_embedded(point) - model.from_embedded(torch.zeros_like(point)))[:, -1]
    attributions = (total * point).sum(-1)
    assert attributions.shape == (8, 6)
    torch.testing.assert_close(attributions.sum(1), change, rtol=0, atol=1e-4 * float(change.abs().max()))


def test_a_linear_target_is_learned() -> None:
    rng = np.random.default_rng(0)
    numeric = rng.normal(size=(2500, 4)).astype(np.float32) * [1, 10, 100, 1000]
    numeric = numeric.astype(np.float32)
    codes = np.zeros((2500, 0), dtype=np.int64)
    targets = (5e4 + 3e4 * numeric[:, 0] - 2e3 * numeric[:, 1] + 100 * numeric[:, 2]).astype(np.float32)
    model = TabularNet.for_data(numeric[:2000], [], targets[:2000], task="regression", width=64)
    train(model, numeric[:2000], codes[:2000], targets[:2000], 12)
    residual = logits(model, numeric[2000:], codes[2000:])[:, 0] - targets[2000:]
    assert 1 - residual.var() / targets[2000:].var() > 0.99


def test_the_linear_model_is_logistic_regression_on_its_features() -> None:
    model, (numeric, categorical) = build(linear=True), table()
    targets = (np.nan_to_num(numeric[:, 1]) + categorical[:, 0] > 2).astype(np.int64)
    features = model.features(*tensors(numeric, categorical)).detach().numpy()
    fitted = LogisticRegression(max_iter=500).fit(features, targets)
    model.set_head(fitted.coef_, fitted.intercept_)
    given = torch.softmax(torch.tensor(logits(model, numeric, categorical)).double(), 1).numpy()
    np.testing.assert_allclose(given, fitted.predict_proba(features), atol=1e-5)
    # By hand: standardised values, missing indicators, one-hot less its mean.
    mean, scale = np.nanmean(numeric, 0, dtype=np.float64), np.nanstd(numeric, 0, dtype=np.float64)
    hot = [(categorical[:, [c]] == np.arange(k + 1)).astype(float) for c, k in enumerate(CARDINALITIES)]
    blocks = [
        np.stack([np.nan_to_num((numeric[:, f] - mean[f]) / scale[f]), np.isnan(numeric[:, f])], 1) for f in range(4)
    ]
    for one_hot in hot:
        share = one_hot[:, 1:].sum(0) / one_hot[:, 1:].sum()
        blocks.append(np.column_stack([one_hot[:, 0], one_hot[:, 1:] - (1 - one_hot[:, [0]]) * share]))
    np.testing.assert_allclose(features, np.column_stack(blocks), atol=1e-4)


def test_the_linear_model_is_ridge_on_its_features_in_the_targets_unit() -> None:
    model, (numeric, categorical) = build("regression", linear=True, bins=6), table()
    targets = 1e4 * np.nan_to_num(numeric[:, 1]) ** 2 + 3e5
    features = model.features(*tensors(numeric, categorical)).detach().double().numpy()
    fitted = Ridge().fit(features, targets)
    model.set_head(fitted.coef_[None], fitted.intercept_)
    np.testing.assert_allclose(logits(model, numeric, categorical)[:, 0], fitted.predict(features), rtol=1e-5)


def test_many_categories_are_projected_not_spread_out() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(1, 3001, size=(500, 1))
    numeric = np.zeros((500, 0), dtype=np.float32)
    model = TabularNet.linear_for_data(numeric, [3000], rng.normal(size=500), task="regression", categorical=codes)
    assert model.config.linear_features == 1024
    rows = model.columns.table.detach()[1:]
    cosine = (rows[:200] @ rows[200:400].T).abs().mean()
    assert 0.9 < rows.norm(dim=1).mean() < 1.1 and cosine < 0.05


def test_loss_is_the_members_mean_on_the_standardised_scale() -> None:
    numeric, categorical = table()
    for task in ("classification", "regression"):
        model = build(task)
        targets = np.arange(ROWS) % 2 if task == "classification" else np.linspace(1e5, 3e5, ROWS)
        inputs = tensors(numeric, categorical)
        with torch.no_grad():
            loss = float(model(*inputs, labels=torch.tensor(targets)).loss)
            members = model.head(model._hidden(model.embed(*inputs))).double().numpy()
        if task == "classification":
            shifted = np.exp(members - members.max(2, keepdims=True))
            shares = shifted / shifted.sum(2, keepdims=True)
            expected = -np.log(shares[np.arange(ROWS), :, targets]).mean()
        else:
            standardised = (targets - float(model.target_mean)) / float(model.target_scale)
            expected = ((members[..., 0] - standardised[:, None]) ** 2).mean()
        assert loss == pytest.approx(expected, rel=1e-5)


def test_dropout_acts_in_training_only() -> None:
    model, inputs = build(dropout=0.5), tensors(*table())
    assert model.config.dropout == 0.5
    assert torch.equal(model(*inputs).logits, model(*inputs).logits)
    model.train()
    assert not torch.equal(model(*inputs).logits, model(*inputs).logits)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": np.zeros(3, dtype=np.int64)}, "one per row"),
        ({"targets": np.full(ROWS, np.nan)}, "row 0"),
        ({"targets": np.full(ROWS, 2)}, "2 classes"),
        ({"categorical": np.full((ROWS, 2), 4)}, "row 0, categorical column 0: 0 to 3"),
        ({"categorical": np.zeros((ROWS, 1), dtype=np.int64)}, "fits"),
        ({"numeric": np.zeros((0, 4), dtype=np.float32)}, "rows"),
    ],
)
def test_data_that_do_not_fit_are_named(change: dict[str, np.ndarray], message: str) -> None:
    numeric, categorical = table()
    given = {"numeric": numeric, "categorical": categorical, "targets": np.arange(ROWS) % 2} | change
    with pytest.raises(DataError, match=message):
        TabularNet.for_data(
            given["numeric"],
            CARDINALITIES,
            given["targets"],
            task="classification",
            classes=("a", "b"),
            categorical=given["categorical"],
        )


def test_a_head_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(DataError, match="features"):
        build(linear=True).set_head(np.zeros((2, 3)), np.zeros(2))


def test_recommended_settings_build_a_network_of_that_size() -> None:
    settings = recommended(ROWS, 6, "classification")
    model = build()
    assert (model.config.width, model.config.blocks) == (settings["width"], settings["blocks"])
    assert model.config.dropout == settings["dropout"]
    assert recommended(30_000, 14, "classification")["epochs"] < settings["epochs"]


def real_data() -> Path | None:
    given = os.environ.get("WORKBENCH_REAL_DATA")
    folder = Path(given) if given else Path(__file__).parents[3] / "shared" / "data"
    return folder if (folder / "gt_tabular_known").is_dir() else None


@pytest.mark.slow
@pytest.mark.skipif(real_data() is None, reason="real data sets are not here")
def test_known_linear_table_is_learned() -> None:
    folder = real_data()
    assert folder is not None
    read = [
        np.genfromtxt(folder / "gt_tabular_known" / f"linear_{s}.csv", delimiter=",", skip_header=1)
        for s in ("train", "test")
    ]
    (x, y), (tx, ty) = [(rows[:, :-1].astype(np.float32), rows[:, -1].astype(np.float32)) for rows in read]
    model = TabularNet.for_data(x, [], y, task="regression")
    train(model, x, np.zeros((len(x), 0), dtype=np.int64), y, 10)
    residual = logits(model, tx, np.zeros((len(tx), 0), dtype=np.int64))[:, 0] - ty
    assert 1 - (residual**2).mean() / ty.var() > 0.99
