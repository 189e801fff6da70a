import numpy as np
import pytest
import torch
from scipy.special import softmax

from goalkit.evaluation import calibrate, calibration_error
from goalkit.evaluation.calibration import fit_temperature


def test_the_temperature_that_made_the_labels_is_found():
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (20_000, 4))
    truth = np.array([random.choice(4, p=each) for each in softmax(logits, axis=1)])
    assert fit_temperature(logits * 3, truth) == pytest.approx(3, rel=0.05)


def test_calibration_error_of_known_cases():
    certain = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert calibration_error(certain, np.array([0, 0])) == 0
    assert calibration_error(certain, np.array([0, 1])) == pytest.approx(0.5)
    assert calibration_error(np.array([[0.75, 0.25]] * 4), np.array([0, 0, 0, 1])) == pytest.approx(0)


def test_calibrating_lowers_the_error_and_changes_no_label(run, splits):
    model = run.model.copy()
    for name, temperature in run.temperatures.items():  # as it was before the trainer calibrated it
        with torch.no_grad():
            model.heads[name].weight.mul_(temperature)
            model.heads[name].bias.mul_(temperature)
    calibration = calibrate(model, splits.validation)
    assert calibration.temperatures == pytest.approx(run.temperatures, rel=1e-3)
    assert set(calibration.temperatures) == {"category", "difficulty", "completion"}
    before, after = (model.predict_probabilities(splits.validation.texts) for model in (model, calibration.model))
    again = calibrate(calibration.model, splits.validation)
    for task in run.model.tasks:
        truth = splits.validation.label_ids(task)
        assert np.array_equal(before[task.name].argmax(1), after[task.name].argmax(1))
        losses = [-np.log(found[task.name][np.arange(len(truth)), truth]).mean() for found in (before, after)]
        assert losses[1] < losses[0]
        assert again.temperatures[task.name] == pytest.approx(1, abs=1e-3)
