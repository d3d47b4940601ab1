"""Configuration files: what is read, and about a hundred that cannot work, each with file, key, found and expected."""

from collections.abc import Callable
from pathlib import Path

import pytest

from inpaintrt.training.config import Stage, TrainingConfig
from inpaintrt.training.limits import ConfigError
from inpaintrt.training.losses import LossWeights
from inpaintrt.training.masks import MaskMix
from inpaintrt.training.network import make_network

RECIPES = Path(__file__).parents[2] / "training"

WRONG = [
    ("photos: x", r"photos is 'x'; expected a list, each a path"),
    ("photos: []", r"photos is \[\]; expected at least one entry"),
    ("photos: [3]", r"photos\[0\] is 3; expected a path"),
    ("photos: ['']", r"photos\[0\] is ''; expected a path"),
    ("photos:", r"photos is None; expected a list"),
    ("photos: REMOVED", r"photos is missing; expected a list, each a path"),
    ("stages: REMOVED", r"stages is missing"),
    ("stages: []", r"stages is \[\]; expected at least one entry"),
    ("stages: 5", r"stages is 5; expected a list"),
    ("stages: [1]", r"stages\[0\] is 1; expected keys and values: steps, learning_rate"),
    ("stages: [{}]", r"stages\[0\]\.steps is missing; expected a whole number"),
    ("stage: 5", r"stage is no known key; expected one of photos, stages"),
    ("1: 2", r"1 is no known key"),
    ("network: unet", r"network is 'unet'; expected pconv_unet or deepfill_v2"),
    ("network: [1]", r"network is \[1\]; expected pconv_unet or deepfill_v2"),
    ("arguments: [1]", r"arguments is \[1\]; expected keys and values"),
    ("arguments: {1: 2}", r"arguments is \{1: 2\}; expected keys and values"),
    ("start_from: 3", r"start_from is 3; expected a path"),
    ("initialise: xavier", r"initialise is 'xavier'; expected he or glorot or pytorch"),
    ("{start_from: a.ckpt, initialise: he}", r"is no YAML"),
    ("start_from: a.ckpt\ninitialise: he", r"initialise is 'he'; expected none beside start_from"),
    ("start_from: a.ckpt\nscale_by_data: true", r"scale_by_data is True; expected none beside start_from"),
    ("scale_by_data: 1", r"scale_by_data is 1; expected true or false"),
    ("scale_by_data: 'yes'", r"scale_by_data is 'yes'; expected true or false"),
    ("exclude: [3]", r"exclude\[0\] is 3; expected a string"),
    ("exclude: a", r"exclude is 'a'; expected a list, each a string"),
    ("exclude: ['']", r"exclude is \[''\]; expected strings of at least one character"),
    ("short_side: 0", r"short_side is 0; expected a number of at least 1 and at most 65536"),
    ("short_side: 24", r"stages\[1\]\.crop is 32; expected at most short_side, which is 24"),
    ("short_side: big", r"short_side is 'big'; expected a whole number"),
    ("vgg16: true", r"vgg16 is True; expected a path"),
    ("optimizer: sgd", r"optimizer is 'sgd'; expected adam or adamw"),
    ("betas: [0.9]", r"betas is \[0\.9\]; expected a list of 2, each a number"),
    ("betas: [0.9, 1]", r"betas is \(0\.9, 1\.0\); expected a number of at least 0 and below 1"),
    ("betas: [a, b]", r"betas\[0\] is 'a'; expected a number"),
    ("betas: 0.9", r"betas is 0\.9; expected a list of 2"),
    ("weight_decay: -1e-4", r"weight_decay is -0\.0001; expected a number of at least 0"),
    ("weight_decay: .nan", r"weight_decay is nan; expected a number of at least 0"),
    ("gradient_clip: 0", r"gradient_clip is 0\.0; expected a number above 0"),
    ("gradient_clip: -1", r"gradient_clip is -1\.0; expected a number above 0"),
    ("gradient_clip: .inf", r"gradient_clip is inf; expected a number above 0"),
    ("ema_decay: 1", r"ema_decay is 1\.0; expected a number of at least 0 and below 1"),
    ("ema_decay: -0.1", r"ema_decay is -0\.1; expected a number of at least 0"),
    ("precision: fp16", r"precision is 'fp16'; expected bf16-mixed or 16-mixed or 32-true"),
    ("precision: 16", r"precision is 16; expected bf16-mixed"),
    ("save_every: 0", r"save_every is 0; expected a number of at least 1"),
    ("save_every: 2.5", r"save_every is 2\.5; expected a whole number"),
    ("workers: -1", r"workers is -1; expected a number of at least 0"),
    ("workers: 1000", r"workers is 1000; expected a number of at least 0 and at most 256"),
    ("seed: -1", r"seed is -1; expected a number of at least 0"),
    ("seed: 1e30", r"seed is 10+\d*; expected a number of at least 0 and at most"),
    ("seed: null", r"seed is None; expected a whole number"),
    ("loss: [1]", r"loss is \[1\]; expected keys and values: valid, hole"),
    ("loss: {}", None),
    ("loss: {holes: 1}", r"loss\.holes is no known key; expected one of valid, hole"),
    ("loss: {hole: -6}", r"loss\.hole is -6\.0; expected a number of at least 0"),
    ("loss: {hole: .nan}", r"loss\.hole is nan; expected a number of at least 0"),
    ("loss: {hole: .inf}", r"loss\.hole is inf; expected a number of at least 0"),
    ("loss: {hole: true}", r"loss\.hole is True; expected a number"),
    ("loss: {style: '6 dB'}", r"loss\.style is '6 dB'; expected a number"),
    ("loss: {valid: 0, hole: 0, perceptual: 0, style: 0, total_variation: 0}", r"loss is '0 for every term'; expected"),
    ("adversary: 1", r"adversary is 1; expected keys and values: weight"),
    ("adversary: {weight: -1}", r"adversary\.weight is -1\.0; expected a number of at least 0"),
    ("adversary: {weight: .nan}", r"adversary\.weight is nan; expected a number of at least 0"),
    ("adversary: {width: 0}", r"adversary\.width is 0; expected a number of at least 1"),
    ("adversary: {learning_rate: 0}", r"adversary\.learning_rate is 0\.0; expected a number above 0"),
    ("adversary: {betas: [2, 0]}", r"adversary\.betas is \(2\.0, 0\.0\); expected a number of at least 0 and below 1"),
    ("adversary: {weight_decay: -1}", r"adversary\.weight_decay is -1\.0; expected"),
    ("adversary: {start: -1}", r"adversary\.start is -1; expected a number of at least 0"),
    ("adversary: {weight: 1, start: 5}", r"adversary\.start is 5; expected a step of the run, which has 5"),
    ("adversary: {steps: 5}", r"adversary\.steps is no known key"),
    ("photos: [photos", r"is no YAML"),
    ("photos: [photos]\nphotos: [b]", r"is no YAML: the key photos stands twice"),
    ("workers: !!python/object:os.system x", r"is no YAML"),
]
"""Lines in place of those with their key, and what is said; None for nothing."""

STAGES = [
    ("steps: five", r"stages\[1\]\.steps is 'five'; expected a whole number"),
    ("steps: true", r"stages\[1\]\.steps is True; expected a whole number"),
    ("steps: 0", r"stages\[1\]\.steps is 0; expected a number of at least 1"),
    ("steps: -5", r"stages\[1\]\.steps is -5; expected a number of at least 1"),
    ("steps: 1.5", r"stages\[1\]\.steps is 1\.5; expected a whole number"),
    ("steps: null", r"stages\[1\]\.steps is None; expected a whole number"),
    ("steps: 2024-01-01", r"stages\[1\]\.steps is datetime\.date\(2024, 1, 1\); expected a whole number"),
    ("steps: 1e12", r"stages\[1\]\.steps is 1000000000000; expected a number of at least 1 and at most 1000000000"),
    ("crop: 0", r"stages\[1\]\.crop is 0; expected a number of at least 1"),
    ("crop: -32", r"stages\[1\]\.crop is -32; expected a number of at least 1"),
    ("crop: 768", r"stages\[1\]\.crop is 768; expected at most short_side, which is 512"),
    ("crop: [32, 32]", r"stages\[1\]\.crop is \[32, 32\]; expected a whole number"),
    ("batch: 0", r"stages\[1\]\.batch is 0; expected a number of at least 1"),
    ("batch: -1", r"stages\[1\]\.batch is -1; expected a number of at least 1"),
    ("learning_rate: 0", r"stages\[1\]\.learning_rate is 0\.0; expected a number above 0"),
    ("learning_rate: -1e-3", r"stages\[1\]\.learning_rate is -0\.001; expected a number above 0"),
    ("learning_rate: .nan", r"stages\[1\]\.learning_rate is nan; expected a number above 0"),
    ("learning_rate: .inf", r"stages\[1\]\.learning_rate is inf; expected a number above 0"),
    ("learning_rate: fast", r"stages\[1\]\.learning_rate is 'fast'; expected a number"),
    ("decay: 1", r"stages\[1\]\.decay is 1; expected true or false"),
    ("freeze_encoder_norm: 'no'", r"stages\[1\]\.freeze_encoder_norm is 'no'; expected true or false"),
    ("crops: 4", r"stages\[1\]\.crops is no known key; expected one of steps, learning_rate, crop"),
    ("masks: 1", r"stages\[1\]\.masks is 1; expected keys and values: irregular"),
    ("masks: {irregular: -1}", r"stages\[1\]\.masks\.irregular is -1\.0; expected a number of at least 0"),
    ("masks: {irregular: 0}", r"stages\[1\]\.masks\.irregular is 0\.0; expected irregular, free_form or lattice above"),
    ("masks: {lattice: .nan}", r"stages\[1\]\.masks\.lattice is nan; expected a number of at least 0"),
    ("masks: {buckets: 0}", r"stages\[1\]\.masks\.buckets is 0; expected a number of at least 1 and at most 6"),
    ("masks: {buckets: 7}", r"stages\[1\]\.masks\.buckets is 7; expected"),
    ("masks: {holes: 7}", r"stages\[1\]\.masks\.holes is no known key"),
    ("loss: {hole: -1}", r"stages\[1\]\.loss\.hole is -1\.0; expected a number of at least 0"),
    ("loss: {valid: 0, hole: 0, perceptual: 0, style: 0, total_variation: 0}", r"stages\[1\]\.loss is '0 for every"),
]
"""A key of the second stage."""


@pytest.mark.parametrize(("lines", "message"), WRONG, ids=[lines for lines, _ in WRONG])
def test_a_wrong_configuration_is_refused(write_yaml: Callable[[str], Path], lines: str, message: str | None) -> None:
    path = write_yaml(lines)
    if message is None:
        TrainingConfig.load(path)
        return
    with pytest.raises(ConfigError, match=message) as error:
        TrainingConfig.load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("key", "message"), STAGES, ids=[key for key, _ in STAGES])
def test_a_wrong_stage_is_refused(write_yaml: Callable[[str], Path], key: str, message: str) -> None:
    rest = "".join(
        f", {each}" for each in ("steps: 2", "crop: 32") if not key.startswith(each.split(":", maxsplit=1)[0] + ":")
    )
    with pytest.raises(ConfigError, match=message):
        TrainingConfig.load(write_yaml(f"stages: [{{steps: 3, crop: 16}}, {{{key}{rest}}}]"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"photos is missing"),
        (b"- 1\n", r"the configuration is \[1\]; expected keys and values: photos"),
        (b"\xff\xfe\x00", r"is no YAML"),
        (b"photos: &a [*a]\nstages: [{steps: 1}]\n", r"photos\[0\] is \[\[\.\.\.\]\]; expected a path"),
    ],
    ids=["empty", "list", "not UTF-8", "a list in itself"],
)
def test_a_file_that_holds_no_configuration_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        TrainingConfig.load(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        TrainingConfig.load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory"):
        TrainingConfig.load(tmp_path)


def test_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "photos: [x/y]\nstages: [{steps: 1e3, learning_rate: 1e-4, masks: {lattice: 0.1}, loss: {hole: 2}}]\n"
        "loss: {style: 0}\ngradient_clip: null\nbetas: [0, 9e-1]\nvgg16: w.pth\n"
    )
    loaded = TrainingConfig.load(path)
    stage = Stage(1000, learning_rate=1e-4, masks=MaskMix(lattice=0.1), loss=LossWeights(hole=2))
    assert loaded.stages == (stage,)
    assert (loaded.photos, loaded.vgg16) == ((tmp_path / "x/y",), tmp_path / "w.pth")
    assert loaded.loss == LossWeights(style=0)
    assert (loaded.gradient_clip, loaded.betas) == (None, (0.0, 0.9))


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_recipes_are_valid(path: Path) -> None:
    make_network(TrainingConfig.load(path))
