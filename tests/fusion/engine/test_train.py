"""A run learns, can be interrupted anywhere, and ends the same; what makes no sense is refused by name."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from fusion.engine.checkpoint import hash_weights, list_steps, read_checkpoint
from fusion.engine.dataset import Reader
from fusion.engine.session import RunCancelledError, open_session
from fusion.engine.setup import prepare_run
from fusion.engine.tally import DivergedError
from fusion.engine.train import Training, train
from fusion.errors import PackError, SpecError
from fusion.run import RunSpec
from tests.fusion.conftest import write_toy_pack


def run(folder, words):
    with open_session(folder) as session:
        return train(RunSpec.from_json(words), session)


def read_events(folder, kind=None):
    lines = map(json.loads, (folder / "events.jsonl").read_text().splitlines())
    return [line for line in lines if kind in (None, line["event"])]


def read_newest(folder):
    return read_checkpoint(folder / "checkpoints" / f"step-{list_steps(folder / 'checkpoints')[0]}.json")


def stop_after(monkeypatch, steps):
    """As if SIGTERM came while this step was taken."""
    original = Training._after_step

    def after_step(self):
        self.session.stop.is_requested = self.progress.step == steps
        original(self)

    monkeypatch.setattr(Training, "_after_step", after_step)


def assert_same_checkpoint(one, two):
    assert set(one.tensors) == set(two.tensors)
    different = [key for key in one.tensors if not torch.equal(one.tensors[key], two.tensors[key])]
    assert different == []
    assert one.words.weights_sha256 == two.words.weights_sha256
    assert one.words.optimizers == two.words.optimizers


@pytest.mark.parametrize(("optimizer", "order"), [("nadam", "whole"), ("adamw", "blocks")])
def test_ten_steps_are_five_and_five_after_a_stop_bit_for_bit(tmp_path, make_spec, monkeypatch, optimizer, order):
    words = make_spec(epochs=2, batch_size=18, optimizer=optimizer, order=order)  # 5 batches in an epoch
    whole = run(tmp_path / "whole", words)
    assert whole.steps == 10
    for steps in (3, 5):  # inside an epoch, and at its end before validation
        folder = tmp_path / f"stopped at {steps}"
        with monkeypatch.context() as patch:
            stop_after(patch, steps)
            with pytest.raises(RunCancelledError):
                run(folder, words)
        assert list_steps(folder / "checkpoints") == [steps]
        torch.manual_seed(99)
        assert run(folder, words).weights_sha256 == whole.weights_sha256
        assert [event["resumed"] for event in read_events(folder, "start")] == [False, True]
        assert_same_checkpoint(read_newest(folder), read_newest(tmp_path / "whole"))


EVERYTHING = {
    "ema": 0.9,
    "mixup": 0.4,
    "cutout": 6,
    "accumulate": 2,
    "balance": "classes",
    "gradient_clip": 1.0,
    "network": {"name": "sen2lcz", "width": 4, "depth": 5, "dropout": 0.3},
}


@pytest.mark.parametrize(
    "words",
    [
        {**EVERYTHING, "schedule": "step", "order": "blocks"},
        {**EVERYTHING, "schedule": "one_cycle", "optimizer": "adamw", "mixup": 0.0},
        {"schedule": "cosine", "ema": 0.99, "network": EVERYTHING["network"]},
    ],
    ids=["all", "all but mixup", "average"],
)
def test_ten_steps_are_five_and_five_after_kill_9_bit_for_bit(tmp_path, make_spec, words):
    """Row E5, on a CPU: bit-equal; the child dies at its seventh step with a checkpoint of its fifth."""
    words = make_spec(epochs=2, batch_size=18, checkpoint_every=5, select_by="last", **words)
    whole = run(tmp_path / "whole", words)
    assert whole.steps == 10
    assert os.WTERMSIG(kill_at_step(7, tmp_path / "killed", words)) == signal.SIGKILL
    assert list_steps(tmp_path / "killed" / "checkpoints") == [5]
    torch.manual_seed(99)
    assert run(tmp_path / "killed", words).weights_sha256 == whole.weights_sha256
    assert_same_checkpoint(read_newest(tmp_path / "killed"), read_newest(tmp_path / "whole"))
    losses = [[event["loss"] for event in read_events(tmp_path / name, "epoch")] for name in ("whole", "killed")]
    assert losses[0][1] == losses[1][-1]


def kill_at_step(step, folder, words):
    """Train in a fork of this process that kills itself; its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    original = Training._after_step

    def after_step(self):
        original(self)
        if self.progress.step == step:
            os.kill(os.getpid(), signal.SIGKILL)

    Training._after_step = after_step
    run(folder, words)
    os._exit(0)


def test_samples_without_an_input_are_neither_learned_from_nor_validated_on(tmp_path, make_spec):
    has_radar = np.arange(156) % 3 != 0
    folder = str(write_toy_pack(tmp_path / "partial", radar_of=has_radar).folder)
    setup = prepare_run(RunSpec.from_json(make_spec(pack=folder)))
    assert np.array_equal(setup.rows, [row for row in range(96) if row % 3])
    assert np.array_equal(setup.validation, [row for row in range(96, 126) if row % 3])
    optical = prepare_run(RunSpec.from_json(make_spec(pack=folder, modalities=["sentinel2"])))
    assert np.array_equal(optical.rows, np.arange(96))
    nobody = str(write_toy_pack(tmp_path / "none", radar_of=np.arange(156) >= 96).folder)  # of those to learn from
    with pytest.raises(PackError, match="'sentinel1' has no statistics: the pack has no train samples"):
        prepare_run(RunSpec.from_json(make_spec(pack=nobody)))


def test_the_same_spec_gives_the_same_weights_and_another_seed_does_not(tmp_path, make_spec):
    """Row E5: a spec is the whole truth of a run, whatever was drawn before it in this process."""
    seeds, reports = {"one": 4, "two": 4, "other": 5}, []
    for name, seed in seeds.items():
        torch.manual_seed(len(name))
        reports.append(run(tmp_path / name, make_spec(epochs=1, seed=seed, **EVERYTHING)))
    one, two, other = reports
    assert one.weights_sha256 == two.weights_sha256
    assert one.weights_sha256 != other.weights_sha256


@pytest.mark.parametrize("target", ["label", "distribution"])
def test_a_network_learns_and_says_how_far_it_is(tmp_path, make_spec, target):
    report = run(tmp_path, make_spec(epochs=8, objective={"name": "supervised", "target": target}))
    epochs = read_events(tmp_path, "epoch")
    assert len(epochs) == report.epochs == 8
    assert epochs[-1]["loss"] < 0.6 * epochs[0]["loss"]
    assert report.test["oa"]["value"] > 0.5  # 0.2 by chance
    assert max(event["validation_accuracy"] for event in epochs) == pytest.approx(report.validation["oa"]["value"])
    start, done = read_events(tmp_path)[0], read_events(tmp_path)[-1]
    assert (start["event"], start["samples"]) == ("start", {"train": 96, "validation": 30})
    assert (done["event"], done["value"]) == ("done", report.test["oa"]["value"])
    assert [event["share"] for event in epochs] == sorted(event["share"] for event in epochs)
    assert epochs[-1]["share"] == 1.0
    step = read_events(tmp_path, "step")[0]
    assert step["images_per_second"] > 0
    assert step["eta_s"] > 0


def test_soft_labels_lead_closer_to_the_votes_than_hard_ones(tmp_path, make_spec):
    scores = [
        run(tmp_path / kind, make_spec(epochs=12, objective={"name": "supervised", "target": kind})).test
        for kind in ("label", "distribution")
    ]
    hard, soft = (score["cross_entropy_votes"]["value"] for score in scores)
    assert soft < hard


def test_the_reported_checkpoint_is_the_best_on_validation_and_is_kept(tmp_path, make_spec):
    report = run(tmp_path, make_spec(epochs=8))
    best = max(read_events(tmp_path, "epoch"), key=lambda event: event["validation_accuracy"])
    assert report.checkpoint == f"checkpoints/step-{best['step']}.safetensors"
    last = run(tmp_path / "last", make_spec(epochs=2, select_by="last"))
    assert last.checkpoint == "checkpoints/step-12.safetensors"
    loss = run(tmp_path / "loss", make_spec(epochs=3, select_by="loss"))
    least = min(read_events(tmp_path / "loss", "epoch"), key=lambda event: event["validation_loss"])
    assert loss.checkpoint == f"checkpoints/step-{least['step']}.safetensors"


def test_a_time_limit_ends_the_run_with_its_schedule_finished(tmp_path, make_spec):
    report = run(tmp_path, make_spec(epochs=100_000, max_seconds=1.0))
    assert 0.9 < report.seconds["train"] < 5
    assert read_events(tmp_path, "step")[-1]["learning_rate"] < 0.005
    state = read_newest(tmp_path).words
    assert state.state["is_finished"]
    assert state.optimizers["main"][0]["lr"] < 0.05 * 0.005


def test_a_finished_run_is_only_scored_again(tmp_path, make_spec):
    first = run(tmp_path, make_spec(epochs=2))
    before = len(read_events(tmp_path, "epoch"))
    second = run(tmp_path, make_spec(epochs=2))
    assert len(read_events(tmp_path, "epoch")) == before
    assert second.weights_sha256 == first.weights_sha256
    assert second.seconds["train"] == first.seconds["train"]


def poison_target(monkeypatch, from_step):
    """NaN among the targets, once a number of batches was read."""
    original, count = Reader.read, iter(range(10**6))

    def read(self, rows, symmetries=None):
        batch = original(self, rows, symmetries)
        is_bad = symmetries is not None and next(count) >= from_step
        return replace(batch, target=batch.target * float("nan")) if is_bad else batch

    monkeypatch.setattr(Reader, "read", read)


def test_a_loss_that_is_no_number_fails_and_keeps_the_weights_before_it(tmp_path, make_spec, monkeypatch):
    """Row F14."""
    with monkeypatch.context() as patch:
        poison_target(patch, from_step=9)
        with pytest.raises(DivergedError):
            run(tmp_path, make_spec(epochs=5, checkpoint_every=4))
    last = read_events(tmp_path)[-1]
    assert last["event"] == "failed"
    assert "not finite" in last["cause"]
    assert "learning_rate" in last["cause"]
    newest = read_newest(tmp_path)
    assert newest.words.state["step"] == 9  # the weights before the step that was not taken
    assert all(torch.isfinite(value).all() for key, value in newest.tensors.items() if key.startswith("network."))


def test_a_weight_that_is_no_number_is_never_saved(tmp_path, make_spec):
    from fusion.engine.setup import prepare_run

    with open_session(tmp_path) as session:
        training = Training(prepare_run(RunSpec.from_json(make_spec())), session)
        next(training.learner.network.parameters()).data.fill_(float("inf"))
        with pytest.raises(DivergedError, match="weight"):
            training.save()
    assert not list_steps(tmp_path / "checkpoints")


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_it_goes_on(tmp_path, make_spec, monkeypatch):
    words = make_spec(epochs=4, checkpoint_every=3)
    whole = run(tmp_path / "whole", words)
    folder = tmp_path / "damaged"
    with monkeypatch.context() as patch:
        stop_after(patch, 14)
        with pytest.raises(RunCancelledError):
            run(folder, words)
    newest = folder / "checkpoints" / "step-14.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    assert run(folder, words).weights_sha256 == whole.weights_sha256
    refused = [event for event in read_events(folder, "checkpoint") if "refused" in event]
    assert "step-14.safetensors: sha256" in refused[0]["refused"]


def test_a_folder_of_another_run_is_refused_with_the_field(tmp_path, make_spec):
    run(tmp_path, make_spec(epochs=1))
    with pytest.raises(SpecError, match=r"learning_rate is 0\.1, but the checkpoint .* was made with 0\.005"):
        run(tmp_path, make_spec(epochs=1, learning_rate=0.1))
    run(tmp_path, make_spec(epochs=1, checkpoint_every=50))


def test_a_pack_of_another_hash_is_refused_with_both(tmp_path, make_spec, toy_pack):
    with pytest.raises(SpecError, match=rf"pack_sha256: the spec names {'0' * 64}, but .* is {toy_pack.sha256}"):
        run(tmp_path, make_spec(pack_sha256="0" * 64))
    assert read_events(tmp_path)[-1]["event"] == "failed"


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({"device": "cuda:97"}, SpecError, "'cuda:97' is not on this machine"),
        ({"device": "tpu"}, SpecError, "device must be auto, cpu, cuda"),
        ({"modalities": ["sentinel3"]}, SpecError, "'sentinel3' is not in the pack"),
        ({"target": "height"}, SpecError, "no target 'height'. It has: lcz17"),
        ({"pack": "nowhere"}, PackError, "nowhere is not a pack"),
        ({"objective": {"name": "supervised", "target": "votes"}}, SpecError, "objective.target must be one of label"),
    ],
)
def test_what_does_not_fit_is_named_before_the_first_step(tmp_path, make_spec, words, error, message):
    with pytest.raises(error, match=message):
        run(tmp_path, make_spec(**words))
    assert read_events(tmp_path)[-1]["event"] == "failed"
    assert not (tmp_path / "checkpoints").exists()


def test_train_samples_without_a_target_are_counted_and_refused(tmp_path, make_spec, monkeypatch):
    from fusion.pack import Pack

    original = Pack.distribution
    monkeypatch.setattr(Pack, "distribution", lambda self, target=None: blank(original(self, target)))
    with pytest.raises(SpecError, match=r"objective\.target: 4 of 96 train samples"):
        run(tmp_path, make_spec())


def blank(shares):
    shares = np.array(shares)
    shares[:4] = 0
    return shares


def test_one_modality_alone_can_be_learned_from(tmp_path, make_spec):
    run(tmp_path, make_spec(epochs=1, modalities=["sentinel2"]))
    (only,) = read_newest(tmp_path).words.inputs
    assert only["name"] == "sentinel2"


def test_what_is_scored_are_the_averaged_weights_and_both_are_kept(tmp_path, make_spec):
    run(tmp_path, make_spec(epochs=2, ema=0.95, select_by="last"))
    checkpoint = read_newest(tmp_path)
    scored, trained = checkpoint.part("network"), checkpoint.part("trained")
    assert set(scored) == set(trained)
    moved = [key for key in scored if not torch.equal(scored[key], trained[key])]
    assert any(key.endswith("running_var") for key in moved)
    assert not any(key.startswith("normalise.") for key in moved)
    assert checkpoint.words.weights_sha256 == hash_weights(scored)


def test_a_run_ends_when_its_validation_has_been_worse_for_long_enough(tmp_path, make_spec):
    report = run(tmp_path, make_spec(epochs=50, learning_rate=1e-9, patience=3, schedule="constant"))
    epochs = read_events(tmp_path, "epoch")
    assert report.epochs == len(epochs) < 50
    best = max(event["epoch"] for event in epochs if event["is_best"])
    assert len(epochs) == best + 1 + 3
    assert [event["is_stopped_early"] for event in epochs] == [False] * (len(epochs) - 1) + [True]


@pytest.mark.parametrize("accumulate", [2, 3])
def test_micro_batches_of_a_network_without_batch_statistics_are_one_batch(
    tmp_path, make_spec, accumulate, monkeypatch
):
    monkeypatch.setattr("torch.nn.BatchNorm2d", lambda width: torch.nn.GroupNorm(1, width))
    words = make_spec(epochs=1, batch_size=32, network={"name": "sen2lcz", "width": 4, "depth": 5, "dropout": 0.0})
    losses = []
    for count in (1, accumulate):
        run(tmp_path / str(count), {**words, "accumulate": count, "optimizer": "adamw"})
        losses.append(read_events(tmp_path / str(count), "epoch")[0]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_gradient_is_never_longer_than_the_clip(tmp_path, make_spec):
    with open_session(tmp_path) as session:
        training = Training(prepare_run(RunSpec.from_json(make_spec(gradient_clip=0.01))), session)
        parameters, norms = training.learner.list_parameters("main"), []
        optimizer = training.learner.optimizers["main"]
        optimizer.register_step_pre_hook(
            lambda *_: norms.append(float(torch.nn.utils.get_total_norm([part.grad for part in parameters])))
        )
        training.train_epoch()
    assert len(norms) == 6
    assert max(norms) == pytest.approx(0.01, rel=1e-3)


def test_half_precision_learns_too_and_is_the_same_twice(tmp_path, make_spec):
    words = make_spec(epochs=4, precision="bfloat16", gradient_clip=5.0)
    one, two = (run(tmp_path / name, words) for name in ("one", "two"))
    epochs = read_events(tmp_path / "one", "epoch")
    assert epochs[-1]["loss"] < 0.8 * epochs[0]["loss"]
    assert one.weights_sha256 == two.weights_sha256
    assert all(
        value.dtype == torch.float32
        for value in read_newest(tmp_path / "one").part("network").values()
        if value.is_floating_point() and value.ndim == 4
    )


@pytest.mark.slow  # torch compiles for half a minute
def test_a_compiled_network_learns_the_same(tmp_path, make_spec):
    network = {"name": "sen2lcz", "width": 4, "depth": 5, "dropout": 0.0}  # what is compiled draws otherwise
    words = make_spec(epochs=2, network=network)
    plain, compiled = (run(tmp_path / str(is_on), {**words, "compile": is_on}) for is_on in (False, True))
    losses = [[event["loss"] for event in read_events(tmp_path / name, "epoch")] for name in ("False", "True")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    assert plain.parameters == compiled.parameters


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"batch_size": 16, "accumulate": 20}, "batch_size: a step of 16 samples is too small for accumulate 20"),
        ({"batch_size": 6, "accumulate": 4, "mixup": 0.2}, "with mixup, which takes pairs; take at least 7"),
        ({"patience": 3, "select_by": "last"}, "patience: an early end needs"),
        ({"cutout": 32}, "cutout is 32 pixels, which may blank all of 16"),
        ({"ema": 1.0}, "ema must lie from 0 to 0.999999"),
        ({"schedule": "steps"}, "schedule must be"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(tmp_path, make_spec, words, message):
    with pytest.raises(SpecError, match=message):
        run(tmp_path, make_spec(**words))


def test_a_step_tells_speed_memory_waiting_and_time_left(tmp_path, make_spec):
    run(tmp_path, make_spec(epochs=100, max_seconds=0.6))
    step = read_events(tmp_path, "step")[0]
    assert step["memory_mb"] > 50
    assert 0 <= step["waiting_share"] <= 1
    assert step["eta_s"] > 0
    assert read_events(tmp_path, "start")[0]["processes"] == 1
