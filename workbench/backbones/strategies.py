"""Which parameters a customisation trains: the head, the last blocks, all, or low-rank adapters."""

from __future__ import annotations

from torch import nn

from workbench.backbones.torch import TorchBackbone, parameters_of
from workbench.config import Finetune
from workbench.errors import ConfigError


def apply_strategy(backbone: TorchBackbone, config: Finetune) -> int:
    """Freeze what the strategy does not train; the number of trained parameters.

    `head`: the head and whatever no pretraining touched. `last-N`: the same, the last N
    blocks and all that follows them. `full`: everything. `lora`: low-rank adapters on every
    linear layer (Hu et al. 2021) and the head.
    """
    module = backbone.module
    own = parameters_of(module, backbone.head) | backbone.fresh
    if config.strategy == "full":
        names = {n for n, _ in module.named_parameters()}
    elif config.strategy == "lora":
        names = _add_adapters(module, own, config) | own
    else:
        names = set(own)
        if config.strategy.startswith("last-"):
            names |= _last_blocks(module, int(config.strategy.removeprefix("last-")))
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in names)
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def _last_blocks(module: nn.Module, n: int) -> set[str]:
    """Parameters of the last `n` blocks and of all that is defined after them.

    The blocks are the items of the largest module list (transformer layers, stages of a
    convolutional network), or the children of the largest sequential part; an item without
    parameters is none.
    """
    lists = [
        (sum(p.numel() for p in m.parameters()), name, blocks)
        for name, m in module.named_modules()
        if isinstance(m, (nn.ModuleList, nn.Sequential))
        and len(blocks := [k for k, b in m.named_children() if any(True for _ in b.parameters())]) > 1
    ]
    if not lists:
        raise ConfigError(
            "finetune.strategy = 'last-N': the backbone has no list of blocks", hint="use 'head' or 'full'"
        )
    _, name, blocks = max(lists, key=lambda item: item[0])
    if n > len(blocks):
        raise ConfigError(
            f"finetune.strategy = 'last-{n}', but the backbone has {len(blocks)} blocks", hint="use 'full' for all"
        )
    first = f"{name}.{blocks[-n]}" if name else blocks[-n]
    ordered = [k for k, _ in module.named_parameters()]
    start = next(i for i, k in enumerate(ordered) if k.startswith(first + "."))
    return set(ordered[start:])


def _add_adapters(module: nn.Module, own: frozenset[str], config: Finetune) -> set[str]:
    """Adapters on the linear layers that were pretrained; those in `own` are trained themselves."""
    from peft import LoraConfig, inject_adapter_in_model

    targets = [n for n, m in module.named_modules() if isinstance(m, nn.Linear) and f"{n}.weight" not in own]
    if not targets:
        raise ConfigError("finetune.strategy = 'lora': the backbone has no linear layer besides its head")
    adapters = LoraConfig(r=config.lora_rank, lora_alpha=config.lora_alpha, lora_dropout=0.05, target_modules=targets)
    inject_adapter_in_model(adapters, module)
    return {n for n, _ in module.named_parameters() if "lora_" in n}


def merge_adapters(module: nn.Module) -> None:
    """Fold adapters into the layers they stand on, so that the model is a plain one again."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, layer in list(module.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            layer.merge()
            parent, _, child = name.rpartition(".")
            setattr(module.get_submodule(parent), child, layer.get_base_layer())
    if hasattr(module, "peft_config"):
        del module.peft_config
